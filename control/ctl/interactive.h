// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
//
// The conversation: a prompt on libedit, with history, completion and `?` as one knows them from routers.
#pragma once

#include "control/ctl/run.h"

namespace sluice::ctl {

// Talks until `exit` or the end of input, at a terminal; else reads standard input line by line. Returns the
// exit status: at a terminal 0, as every error has been seen.
int interactive(Operator& user);

}  // namespace sluice::ctl
