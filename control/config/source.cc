// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/config/source.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <filesystem>
#include <system_error>

namespace sluice::config {
namespace {

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

// Reads at most `limit` bytes and one more, so that the caller sees that there are too many.
std::optional<std::string> read_bytes(const std::string& path, std::size_t limit, std::string& why) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY);
  if (fd < 0) {
    why = std::generic_category().message(errno);
    return std::nullopt;
  }
  std::string bytes;
  std::array<char, 65536> chunk;
  ssize_t got = 0;
  while (bytes.size() <= limit &&
         ((got = read(fd, chunk.data(), chunk.size())) > 0 || (got < 0 && errno == EINTR)))
    if (got > 0) bytes.append(chunk.data(), static_cast<std::size_t>(got));
  if (got < 0) why = std::generic_category().message(errno);
  close(fd);
  if (got < 0) return std::nullopt;
  return bytes;
}

// Walks over one file and appends it to the source. Brackets may not span files: an include is whole
// settings.
class Scanner {
 public:
  Scanner(Source& source, std::string_view text, std::uint32_t file, bool includes, unsigned depth)
      : source_(source), text_(text), file_(file), includes_(includes), depth_(depth) {}

  std::optional<Problem> run();

 private:
  struct Bracket {
    char open;
    std::uint32_t line;
  };

  char peek(std::size_t ahead = 0) const { return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0'; }
  void put(char c);
  void put_number(std::string_view token);
  Problem wrong(std::uint32_t line, std::string what) const {
    return {source_.files[file_], line, std::move(what)};
  }
  Problem wrong(std::string what) const { return wrong(line_, std::move(what)); }

  std::optional<Problem> step();
  std::optional<Problem> comment();
  std::optional<Problem> quotation();
  std::optional<Problem> number();
  std::optional<Problem> bracket(char c);
  std::optional<Problem> include();
  void name();
  bool at_include() const;

  Source& source_;
  std::string_view text_;
  std::uint32_t file_;
  bool includes_;
  unsigned depth_;
  std::size_t at_ = 0;
  std::uint32_t line_ = 1;
  bool line_start_ = true;  // nothing but blanks since the last newline
  char last_ = '\0';        // the last character that was neither blank nor comment
  std::vector<Bracket> open_;
};

std::optional<Problem> gather(const std::string& path, Source& source, unsigned depth,
                              std::string_view asked_by, std::uint32_t asked_line) {
  auto refuse = [&](const std::string& why) {
    return asked_by.empty()
               ? Problem{path, 0, why}
               : Problem{std::string(asked_by), asked_line, "the included file " + path + ' ' + why};
  };
  std::string why;
  const auto bytes = read_bytes(path, kMaxSourceBytes - std::min(kMaxSourceBytes, source.text.size()), why);
  if (!bytes) return refuse("cannot be read (" + why + "); name a file that exists and may be read");
  if (bytes->size() + source.text.size() > kMaxSourceBytes)
    return refuse("makes the configuration longer than 64 MiB; name a file of libconfig text");
  source.files.push_back(path);
  return Scanner(source, *bytes, static_cast<std::uint32_t>(source.files.size() - 1), true, depth).run();
}

std::optional<Problem> Scanner::run() {
  if (text_.starts_with("\xef\xbb\xbf")) text_.remove_prefix(3);  // the byte order mark of some editors
  while (at_ < text_.size())
    if (auto problem = step()) return problem;
  if (!open_.empty())
    return wrong(open_.back().line, std::string("the ") + open_.back().open +
                                        " that opens here is never closed; add the bracket that closes it");
  if (!source_.text.empty() && source_.text.back() != '\n') put('\n');
  return std::nullopt;
}

std::optional<Problem> Scanner::step() {
  const char c = peek();
  if (c == '\0') return wrong("a zero byte; a configuration is plain text");
  if (c == '#' || (c == '/' && (peek(1) == '/' || peek(1) == '*'))) return comment();
  if (c == '\n' || c == ' ' || c == '\t' || c == '\r') {
    put(c);
    ++at_;
    return std::nullopt;
  }
  if (c == '@' && line_start_ && at_include()) return include();
  std::optional<Problem> problem;
  if (c == '"') {
    problem = quotation();
  } else if (is_letter(c) || c == '*' || c == '_') {
    name();
  } else if (is_digit(c) || ((c == '-' || c == '+') && is_digit(peek(1)))) {
    problem = number();
  } else {
    if (std::string_view("(){}[]").find(c) != std::string_view::npos) problem = bracket(c);
    put(c);
    ++at_;
  }
  last_ = c;
  line_start_ = false;
  return problem;
}

void Scanner::put(char c) {
  if (source_.text.empty() || source_.text.back() == '\n') source_.rows.push_back({file_, line_});
  source_.text += c;
  if (c != '\n') return;
  ++line_;
  line_start_ = true;
}

void Scanner::name() {
  for (char c = peek(); is_letter(c) || is_digit(c) || c == '-' || c == '_' || c == '*'; c = peek()) {
    put(c);
    ++at_;
  }
}

std::optional<Problem> Scanner::comment() {
  if (peek(1) != '*') {
    while (at_ < text_.size() && peek() != '\n') ++at_;
    return std::nullopt;
  }
  const std::uint32_t begin = line_;
  put(' ');
  for (at_ += 2; at_ < text_.size(); ++at_) {
    if (peek() == '*' && peek(1) == '/') {
      at_ += 2;
      return std::nullopt;
    }
    if (peek() == '\n') put('\n');
  }
  return wrong(begin, "the comment that begins here never ends; close it with */");
}

// libconfig lets a quotation span lines, which makes of a forgotten quote an error far below.
std::optional<Problem> Scanner::quotation() {
  put('"');
  for (++at_; at_ < text_.size() && peek() != '\n' && peek() != '\0'; ++at_) {
    const char c = peek();
    put(c);
    if (c == '"') {
      ++at_;
      return std::nullopt;
    }
    if (c == '\\' && at_ + 1 < text_.size() && peek(1) != '\n' && peek(1) != '\0') {
      put(peek(1));
      ++at_;
    }
  }
  return wrong("a quotation is not closed on its line; end it with \"");
}

std::optional<Problem> Scanner::number() {
  std::string token(1, peek());
  for (++at_; at_ < text_.size(); ++at_) {
    const char c = peek();
    const bool exponent_sign = (c == '-' || c == '+') && (token.back() == 'e' || token.back() == 'E');
    if (!is_letter(c) && !is_digit(c) && c != '.' && c != '_' && !exponent_sign) break;
    token += c;
  }
  std::string_view digits = token;
  for (int i = 0; i < 2 && digits.ends_with('L'); ++i) digits.remove_suffix(1);
  if (digits.starts_with('+')) digits.remove_prefix(1);
  const bool hex = digits.starts_with("0x") || digits.starts_with("0X");
  if (hex) digits.remove_prefix(2);
  std::int64_t value = 0;
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), value, hex ? 16 : 10);
  const bool whole = !digits.empty() && end == digits.data() + digits.size();
  if (whole && error == std::errc::result_out_of_range)
    return wrong("the number " + token + " is too large for any key; write a smaller one");
  for (const char c : whole ? std::to_string(value) + 'L' : token) put(c);
  return std::nullopt;
}

std::optional<Problem> Scanner::bracket(char c) {
  const auto kind = std::string_view("({[)}]").find(c);
  if (kind < 3) {
    if (c == '{' && last_ == '}' && !open_.empty() && open_.back().open == '(')
      return wrong("a comma is missing before {; the groups of a list are separated by commas");
    if (open_.size() >= kMaxNesting)
      return wrong("brackets are nested deeper than " + std::to_string(kMaxNesting) + "; no key needs that");
    open_.push_back({c, line_});
    return std::nullopt;
  }
  if (open_.empty()) return wrong(std::string("this ") + c + " closes nothing; remove it or open it before");
  const Bracket opener = open_.back();
  const char right = ")}]"[std::string_view("({[").find(opener.open)];
  if (c != right)
    return wrong(std::string("this ") + c + " cannot close the " + opener.open + " of line " +
                 std::to_string(opener.line) + "; write " + right);
  if (last_ == ',') return wrong(std::string("a comma stands before ") + c + "; remove it");
  open_.pop_back();
  return std::nullopt;
}

bool Scanner::at_include() const {
  return text_.substr(at_).starts_with("@include");
}

std::optional<Problem> Scanner::include() {
  if (!includes_) return wrong("@include works in files only; put the text itself here");
  const std::string_view rest = text_.substr(at_, text_.find('\n', at_) - at_);
  const auto open = rest.find('"');
  const auto close = open == std::string_view::npos ? open : rest.find('"', open + 1);
  if (close == std::string_view::npos ||
      rest.substr(8, open - 8).find_first_not_of(" \t") != std::string_view::npos)
    return wrong("@include needs a file name in quotes, as in @include \"services.conf\"");
  if (!open_.empty() && open_.back().open != '{')
    return wrong("@include stands inside a list; include whole settings, as in services: ( … );");
  const std::string named(rest.substr(open + 1, close - open - 1));
  const std::string path = (std::filesystem::path(source_.files[file_]).parent_path() / named).string();
  if (depth_ >= kMaxIncludeDepth)
    return wrong("files include each other more than " + std::to_string(kMaxIncludeDepth) + " deep; does " +
                 path + " include itself?");
  at_ += close + 1;
  if (!source_.text.empty() && source_.text.back() != '\n') source_.text += '\n';
  return gather(path, source_, depth_ + 1, std::string(source_.files[file_]), line_);
}

}  // namespace

Source::Origin Source::origin(unsigned row) const {
  if (row == 0) return {};
  if (rows.empty()) return {0, 1};  // an empty file begins on its first line
  return rows[std::min<std::size_t>(row, rows.size()) - 1];
}

Problem Source::problem(unsigned row, std::string what) const {
  const Origin from = origin(row);
  return {files.empty() ? std::string() : files[from.file], from.line, std::move(what)};
}

std::optional<Problem> gather_file(const std::string& path, Source& source) {
  return gather(path, source, 0, {}, 0);
}

std::optional<Problem> gather_text(std::string_view text, const std::string& name, Source& source) {
  source.files.push_back(name);
  if (text.size() > kMaxSourceBytes) return Problem{name, 0, "is longer than 64 MiB; give libconfig text"};
  return Scanner(source, text, 0, false, 0).run();
}

}  // namespace sluice::config
