// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// The sections of a configuration file, as tables. To add a key: a member in model.h, a row here.
#pragma once

#include "control/config/key.h"
#include "control/config/model.h"

namespace sluice::config {

const Section<Model>& model_keys();
const Section<Control>& control_keys();
const Section<Dataplane>& dataplane_keys();
const Section<Port>& port_keys();
const Section<Worker>& worker_keys();
const Section<Service>& service_keys();
const Section<DipList>& dip_list_keys();
const Section<Group>& group_keys();
const Section<Dip>& dip_keys();
const Section<Health>& health_keys();
const Section<Transition>& transition_keys();
const Section<Timeouts>& timeouts_keys();
const Section<ElephantThreshold>& elephant_keys();
const Section<Iip>& iip_keys();
const Section<Load>& load_keys();
const Section<Pool>& pool_keys();
const Section<PoolMember>& pool_member_keys();
// "" for a model without one.
Key<Model> pool_key();

}  // namespace sluice::config
