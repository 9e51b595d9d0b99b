/// Properties of characters, and Unicode's normal forms, by ICU: the only header that includes it.
///
/// The parts of Hugging Face's tokenizers follow different versions of Unicode, and so do these functions:
///
///   regular expressions, numbers   16 and 17 (Oniguruma, Rust)        unicode_16.hpp adds what ICU 72 lacks
///   lower case                     17 (Rust)                          likewise
///   normal forms, StripAccents     9 (unicode-normalization-alignments)   characters assigned later stay as they are
///   BERT's punctuation, accents    8 (unicode_categories)             likewise
#pragma once

#include <unicode/bytestream.h>
#include <unicode/normalizer2.h>
#include <unicode/ubrk.h>
#include <unicode/uchar.h>
#include <unicode/uniset.h>
#include <unicode/utext.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "../../core/config.hpp"
#include "code_points.hpp"
#include "unicode_16.hpp"

namespace zoft::inline ZOFT_ISA::io::text_stage {

/// Unicode's White_Space.
constexpr bool is_white_space(char32_t c) {
  return (c >= 0x09 && c <= 0x0d) || c == 0x20 || c == 0x85 || c == 0xa0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000;
}

namespace detail {

/// The bits of general categories that a character has: one, or none if it is not assigned.
inline std::uint32_t category(char32_t c) {
  return (std::uint32_t{1} << u_charType(static_cast<UChar32>(older_character(c)))) & ~std::uint32_t{U_GC_CN_MASK};
}

inline bool assigned_by(int version, char32_t c) {
  UVersionInfo age;
  u_charAge(static_cast<UChar32>(c), age);
  return age[0] != 0 && age[0] <= version;
}

}  // namespace detail

/// Nd, Nl or No, by Unicode 17.
inline bool is_numeric(char32_t c) {
  if (c < 0x80) return c >= '0' && c <= '9';
  return (detail::category(c) & U_GC_N_MASK) != 0 || (c >= 0x11de0 && c <= 0x11de9) || (c >= 0x16ff4 && c <= 0x16ff6);
}

/// Any letter, mark, decimal digit or connector: \w of Rust's regular expressions.
inline bool is_word(char32_t c) {
  if (c < 0x80) return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';
  return (detail::category(c) & (U_GC_L_MASK | U_GC_M_MASK | U_GC_ND_MASK | U_GC_PC_MASK)) != 0 ||
         u_hasBinaryProperty(static_cast<UChar32>(older_character(c)), UCHAR_ALPHABETIC) || c == 0x200c || c == 0x200d;
}

/// A general category P of Unicode 8, or one of ASCII's symbols.
inline bool is_punctuation(char32_t c) {
  if (c < 0x80) return (c >= 33 && c <= 47) || (c >= 58 && c <= 64) || (c >= 91 && c <= 96) || (c >= 123 && c <= 126);
  if (c == 0x166d || c == 0x111c9) return true;  // their category changed later
  return (detail::category(c) & U_GC_P_MASK) != 0 && detail::assigned_by(8, c);
}

/// Cc, Cf, Cs or Co of Unicode 8.
inline bool is_other(char32_t c) {
  if (c < 0x80) return c < 0x20 || c == 0x7f;
  return (detail::category(c) & (U_GC_CC_MASK | U_GC_CF_MASK | U_GC_CS_MASK | U_GC_CO_MASK)) != 0 &&
         detail::assigned_by(8, c);
}

/// Mn of Unicode 8.
inline bool is_nonspacing_mark(char32_t c) {
  if (c < 0x300) return false;
  switch (c) {  // the category of these changed later
    case 0x1734:
    case 0x1171e:
      return true;
    case 0x1885:
    case 0x1886:
    case 0xa9bd:
    case 0x111c9:
      return false;
    default:
      return (detail::category(c) & U_GC_MN_MASK) != 0 && detail::assigned_by(8, c);
  }
}

/// M of Unicode 9.
inline bool is_mark(char32_t c) {
  if (c < 0x300 || c == 0x111c9) return false;
  if (c == 0x1cf2 || c == 0x1cf3) return true;  // their category changed later
  return (detail::category(c) & U_GC_M_MASK) != 0 && detail::assigned_by(9, c);
}

/// Appends the full lower case of one character, whatever surrounds it.
inline void append_lower(std::string& out, char32_t c) {
  if (c < 0x80) {
    out += static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
    return;
  }
  switch (c) {
    case 0x130:
      out += "i\xcc\x87";
      return;  // the only one that becomes two
    // Unicode 16 and 17.
    case 0x1c89:
      c = 0x1c8a;
      break;
    case 0xa7cb:
      c = 0x264;
      break;
    case 0xa7dc:
      c = 0x19b;
      break;
    case 0xa7cc:
    case 0xa7ce:
    case 0xa7d2:
    case 0xa7d4:
    case 0xa7da:
      ++c;
      break;
    default:
      if (c >= 0x10d50 && c <= 0x10d65)
        c += 0x20;
      else if (c >= 0x16ea0 && c <= 0x16eb8)
        c += 0x1b;
      else
        c = static_cast<char32_t>(u_tolower(static_cast<UChar32>(c)));
  }
  append_code_point(out, c);
}

enum class normal_form { nfc, nfd, nfkc, nfkd };

/// Unicode 9's normal forms.
class unicode_normalizer {
 public:
  explicit unicode_normalizer(normal_form form) : form_(form) {
    UErrorCode error = U_ZERO_ERROR;
    icu::UnicodeSet known(u"[:age=9.0:]", error);
    known.freeze();
    const bool compatible = form == normal_form::nfkc || form == normal_form::nfkd;
    const icu::Normalizer2* whole =
        form == normal_form::nfc || form == normal_form::nfkc
            ? icu::Normalizer2::getInstance(nullptr, compatible ? "nfkc" : "nfc", UNORM2_COMPOSE, error)
            : icu::Normalizer2::getInstance(nullptr, compatible ? "nfkc" : "nfc", UNORM2_DECOMPOSE, error);
    if (U_FAILURE(error)) fail(std::string("ICU's normalization data: ") + u_errorName(error));
    known_ = std::make_shared<const icu::UnicodeSet>(known);
    filtered_ = std::make_shared<const icu::FilteredNormalizer2>(*whole, *known_);
  }

  /// The text must be UTF-8.
  void operator()(std::string& text) const {
    if (find_non_ascii(text) == text.size()) return;
    UErrorCode error = U_ZERO_ERROR;
    const icu::StringPiece piece(text.data(), static_cast<std::int32_t>(text.size()));
    if (form_ == normal_form::nfc && filtered_->isNormalizedUTF8(piece, error) && U_SUCCESS(error)) return;
    error = U_ZERO_ERROR;
    std::string result;
    icu::StringByteSink<std::string> sink(&result, static_cast<std::int32_t>(text.size()));
    filtered_->normalizeUTF8(0, piece, sink, nullptr, error);
    if (U_FAILURE(error)) fail(std::string("a text cannot be normalized: ") + u_errorName(error));
    text = std::move(result);
  }

 private:
  normal_form form_;
  std::shared_ptr<const icu::UnicodeSet> known_;
  std::shared_ptr<const icu::FilteredNormalizer2> filtered_;
};

/// Calls visit(begin, end) for each extended grapheme cluster of the UTF-8 text, by Unicode 17's marks of three bytes.
template <class F>
void for_each_grapheme(std::string_view text, F&& visit) {
  struct breaker {
    UBreakIterator* iterator;
    UText* text = nullptr;
    breaker() {
      UErrorCode error = U_ZERO_ERROR;
      iterator = ubrk_open(UBRK_CHARACTER, "en", nullptr, 0, &error);
      if (U_FAILURE(error)) fail(std::string("ICU's grapheme clusters: ") + u_errorName(error));
    }
    ~breaker() {
      ubrk_close(iterator);
      utext_close(text);
    }
  };
  thread_local breaker mine;
  std::string older;  // as long as the text
  for (std::size_t at = 0; at < text.size();) {
    const auto [c, length] = code_point_at(text, at);
    const bool newest = (c >= 0x1acf && c <= 0x1add) || (c >= 0x1ae0 && c <= 0x1aeb);
    append_code_point(older, newest ? char32_t{0x901} : older_character(c));
    at += length;
  }
  text = older;
  UErrorCode error = U_ZERO_ERROR;
  mine.text = utext_openUTF8(mine.text, text.data(), static_cast<std::int64_t>(text.size()), &error);
  ubrk_setUText(mine.iterator, mine.text, &error);
  if (U_FAILURE(error)) fail(std::string("a text cannot be divided into graphemes: ") + u_errorName(error));
  std::int32_t begin = ubrk_first(mine.iterator);
  for (std::int32_t end; (end = ubrk_next(mine.iterator)) != UBRK_DONE; begin = end)
    visit(static_cast<std::size_t>(begin), static_cast<std::size_t>(end));
}

}  // namespace zoft::inline ZOFT_ISA::io::text_stage
