// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Boost.Beast's HTTP. Whoever speaks HTTP in control includes this and never Beast itself.
//
// The parser of Beast 1.74 asserts that at least five bytes of a body's last chunk are there when it looks at
// it again. A peer makes that untrue with an empty chunked body whose "0\r\n" comes alone and is followed by
// one byte, and the process would end. What the assertion stands before holds without it: the search for the
// end of the chunk is bounded by the bytes that are there. So the parser, and only the parser, is compiled
// without assertions; tests/fuzz/answers.cc holds it against what peers can say, under the sanitizers.
#pragma once

// Whatever the parser's header would bring in keeps its assertions.
#include <boost/beast/core.hpp>
#include <boost/beast/http/detail/basic_parser.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/field.hpp>
#include <boost/beast/http/rfc7230.hpp>
#include <boost/beast/http/verb.hpp>

#define BOOST_DISABLE_ASSERTS
#include <boost/beast/http/basic_parser.hpp>
#undef BOOST_DISABLE_ASSERTS
#include <boost/assert.hpp>  // defines the macros anew, each time that it is included
#include <boost/beast/http.hpp>
