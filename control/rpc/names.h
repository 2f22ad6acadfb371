// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
//
// What both ends of the control socket must spell alike: the error codes, and the suggestion for a word that
// is nearly right. The command line includes this file and nothing else of the server.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace sluice::rpc {

inline constexpr const char* kDefaultSocket = "/run/sluice/sluice.sock";

// JSON-RPC 2.0, section 5.1; the server's own codes lie in -32000 to -32099.
enum Code : int {
  kParseError = -32700,      // the line is no JSON
  kInvalidRequest = -32600,  // JSON, but no request: version, id, method, batch, nesting, length
  kUnknownMethod = -32601,
  kInvalidParams = -32602,
  kInternal = -32603,          // a handler broke its word; a bug of ours
  kFailed = -32000,            // understood and not done; the sentence says why
  kDenied = -32001,            // the caller may read but not change
  kNotFound = -32002,          // no such service, DIP, ...
  kBusy = -32003,              // too many clients, or no answer in time
  kTooLarge = -32004,          // the answer does not fit; ask for less
  kBadConfiguration = -32005,  // a file that cannot be used; the command line then exits with 2
};

// The candidate nearest to `word` by edit distance (swapped neighbours count once), or "" when none is near
// enough to be a likely slip: at most a third of the letters, at least one, may differ. A candidate that
// begins with a `word` of two letters or more is near. Costs O(word * candidate) each; words over 64 bytes
// match nothing.
std::string nearest(std::string_view word, const std::vector<std::string>& candidates);

// `; did you mean "dip.add"?`, or "" when nothing is near: to be appended to a sentence.
std::string did_you_mean(std::string_view word, const std::vector<std::string>& candidates);

// A stranger's bytes made safe to show in a sentence: quoted, control characters as '?', at most 64 bytes.
std::string shown(std::string_view text);

}  // namespace sluice::rpc
