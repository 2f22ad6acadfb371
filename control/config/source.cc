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

#include "control/config/key.h"

namespace sluice::config {
namespace {

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

// [-+]DIGITS, 0xDIGITS, with or without L or LL; `too_large` when it is one beyond 63 bits.
std::optional<std::int64_t> whole_number(std::string_view text, bool& too_large) {
  for (int i = 0; i < 2 && text.ends_with('L'); ++i) text.remove_suffix(1);
  if (text.starts_with('+')) text.remove_prefix(1);
  const bool hex = text.starts_with("0x") || text.starts_with("0X");
  if (hex) text.remove_prefix(2);
  if (text.empty() || (hex && text[0] == '-')) return std::nullopt;
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, hex ? 16 : 10);
  if (end != text.data() + text.size()) return std::nullopt;
  too_large = error == std::errc::result_out_of_range;
  return error == std::errc{} ? std::optional(value) : std::nullopt;
}

// What libconfig takes for a number with a fraction.
bool is_fraction(const std::string& text) {
  std::size_t at = text.find_first_not_of("0123456789", text[0] == '-' || text[0] == '+' ? 1 : 0);
  if (at == std::string::npos) return false;
  if (text[at] == '.') at = std::min(text.find_first_not_of("0123456789", at + 1), text.size());
  if (at == text.size()) return true;
  if (text[at] != 'e' && text[at] != 'E') return false;
  const bool sign = at + 1 < text.size() && (text[at + 1] == '+' || text[at + 1] == '-');
  const std::size_t digits = at + (sign ? 2 : 1);
  return digits < text.size() && text.find_first_not_of("0123456789", digits) == std::string::npos;
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
  Scanner(Source& source, Grammar& grammar, std::string_view text, std::uint32_t file, bool includes,
          unsigned depth)
      : source_(source), grammar_(grammar), text_(text), file_(file), includes_(includes), depth_(depth) {}

  std::optional<Problem> run();

 private:
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
  std::optional<Problem> sign();
  std::optional<Problem> include();
  std::optional<Problem> word();
  std::optional<Problem> token(Token kind, std::size_t begin);
  bool at_include() const { return text_.substr(at_).starts_with("@include"); }

  Source& source_;
  Grammar& grammar_;
  std::string_view text_;
  std::uint32_t file_;
  bool includes_;
  unsigned depth_;
  std::size_t at_ = 0;
  std::uint32_t line_ = 1;
  std::size_t base_depth_ = 0;   // brackets that were open before this file
  std::uint32_t last_line_ = 1;  // of the last token
  bool line_start_ = true;       // nothing but blanks since the last newline
};

std::optional<Problem> gather(const std::string& path, Source& source, Grammar& grammar, unsigned depth,
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
  return Scanner(source, grammar, *bytes, static_cast<std::uint32_t>(source.files.size() - 1), true, depth)
      .run();
}

std::optional<Problem> Scanner::run() {
  base_depth_ = grammar_.depth();
  if (text_.starts_with("\xef\xbb\xbf")) text_.remove_prefix(3);  // the byte order mark of some editors
  while (at_ < text_.size())
    if (auto problem = step()) return problem;
  if (grammar_.depth() > base_depth_)
    return wrong(grammar_.innermost_origin().line,
                 std::string("the ") + grammar_.innermost() +
                     " that opens here is never closed; add the bracket that closes it");
  if (grammar_.in_setting()) return wrong(last_line_, grammar_.what_is_missing());
  if (!source_.text.empty() && source_.text.back() != '\n') put('\n');
  return std::nullopt;
}

std::optional<Problem> Scanner::step() {
  const char c = peek();
  if (c == '\0') return wrong("a zero byte; a configuration is plain text");
  if (c == '#' || (c == '/' && (peek(1) == '/' || peek(1) == '*'))) return comment();
  if (c == '\n' || c == ' ' || c == '\t' || c == '\r') {
    put(c == '\r' ? ' ' : c);
    ++at_;
    return std::nullopt;
  }
  if (c == '@' && line_start_ && at_include()) return include();
  line_start_ = false;
  last_line_ = line_;
  if (c == '"') return quotation();
  if (is_letter(c) || c == '*') return word();
  if (is_digit(c) || ((c == '-' || c == '+') && is_digit(peek(1)))) return number();
  return sign();
}

std::optional<Problem> Scanner::token(Token kind, std::size_t begin) {
  if (kind == Token::kClose && depth_ > 0 && grammar_.depth() == base_depth_)
    return wrong(std::string("this ") + text_[begin] +
                 " closes nothing in this file; brackets may not span files");
  auto what = grammar_.take(kind, text_.substr(begin, at_ - begin), {file_, line_});
  return what ? std::optional(wrong(*std::move(what))) : std::nullopt;
}

void Scanner::put(char c) {
  if (source_.text.empty() || source_.text.back() == '\n') source_.rows.push_back({file_, line_});
  source_.text += c;
  if (c != '\n') return;
  ++line_;
  line_start_ = true;
}

std::optional<Problem> Scanner::word() {
  const std::size_t begin = at_;
  std::string lower;
  for (char c = peek(); is_letter(c) || is_digit(c) || c == '-' || c == '_' || c == '*'; c = peek()) {
    lower += static_cast<char>(is_letter(c) ? c | 0x20 : c);
    put(c);
    ++at_;
  }
  return token(lower == "true" || lower == "false" ? Token::kBoolean : Token::kName, begin);
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
  const std::size_t begin = at_;
  put('"');
  for (++at_; at_ < text_.size() && peek() != '\n' && peek() != '\0'; ++at_) {
    const char c = peek();
    put(c);
    if (c == '"') {
      ++at_;
      return token(Token::kText, begin);
    }
    if (c == '\\' && at_ + 1 < text_.size() && peek(1) != '\n' && peek(1) != '\0') {
      put(peek(1));
      ++at_;
    }
  }
  return wrong("a quotation is not closed on its line; end it with \"");
}

std::optional<Problem> Scanner::number() {
  const std::size_t begin = at_;
  for (++at_; at_ < text_.size(); ++at_) {
    const char c = peek();
    const char before = text_[at_ - 1];
    const bool exponent_sign = (c == '-' || c == '+') && (before == 'e' || before == 'E');
    if (!is_letter(c) && !is_digit(c) && c != '.' && c != '_' && !exponent_sign) break;
  }
  const std::string written(text_.substr(begin, at_ - begin));
  bool too_large = false;
  if (const auto value = whole_number(written, too_large)) {
    for (const char c : std::to_string(*value) + 'L') put(c);
    return token(Token::kNumber, begin);
  }
  if (too_large) return wrong("the number " + written + " is too large for any key; write a smaller one");
  if (!is_fraction(written)) return wrong(written + " is not a number; write digits, or text in quotes");
  for (const char c : written) put(c);
  return token(Token::kFraction, begin);
}

std::optional<Problem> Scanner::sign() {
  const char c = peek();
  const std::size_t begin = at_;
  put(c);
  ++at_;
  switch (c) {
    case '=':
    case ':':
      return token(Token::kAssign, begin);
    case ';':
      return token(Token::kEnd, begin);
    case ',':
      return token(Token::kComma, begin);
    case '(':
    case '[':
    case '{':
      return token(Token::kOpen, begin);
    case ')':
    case ']':
    case '}':
      return token(Token::kClose, begin);
    case '@':
      return wrong("@ has a meaning in @include only, at the beginning of a line; put text in quotes");
    default:
      return wrong(quote(std::string(1, c)) + " has no meaning here; put text in quotes");
  }
}

std::optional<Problem> Scanner::include() {
  if (!includes_) return wrong("@include works in files only; put the text itself here");
  const std::string_view rest = text_.substr(at_, text_.find('\n', at_) - at_);
  const auto open = rest.find('"');
  const auto close = open == std::string_view::npos ? open : rest.find('"', open + 1);
  if (close == std::string_view::npos ||
      rest.substr(8, open - 8).find_first_not_of(" \t") != std::string_view::npos)
    return wrong("@include needs a file name in quotes, as in @include \"services.conf\"");
  if (grammar_.innermost() != '{' || grammar_.in_setting())
    return wrong(
        "@include stands inside a list or a setting; include whole settings, as in services: ( … );");
  const std::string named(rest.substr(open + 1, close - open - 1));
  const std::string path = (std::filesystem::path(source_.files[file_]).parent_path() / named).string();
  if (depth_ >= kMaxIncludeDepth)
    return wrong("files include each other more than " + std::to_string(kMaxIncludeDepth) + " deep; does " +
                 path + " include itself?");
  at_ += close + 1;
  if (!source_.text.empty() && source_.text.back() != '\n') source_.text += '\n';
  return gather(path, source_, grammar_, depth_ + 1, std::string(source_.files[file_]), line_);
}

}  // namespace

Origin Source::origin(unsigned row) const {
  if (row == 0) return {};
  if (rows.empty()) return {0, 1};  // an empty file begins on its first line
  return rows[std::min<std::size_t>(row, rows.size()) - 1];
}

Problem Source::problem(unsigned row, std::string what) const {
  const Origin from = origin(row);
  return {files.empty() ? std::string() : files[from.file], from.line, std::move(what)};
}

std::optional<Problem> gather_file(const std::string& path, Source& source) {
  Grammar grammar(source.files);
  return gather(path, source, grammar, 0, {}, 0);
}

std::optional<Problem> gather_text(std::string_view text, const std::string& name, Source& source) {
  source.files.push_back(name);
  if (text.size() > kMaxSourceBytes) return Problem{name, 0, "is longer than 64 MiB; give libconfig text"};
  Grammar grammar(source.files);
  return Scanner(source, grammar, text, 0, false, 0).run();
}

}  // namespace sluice::config
