/// The library's version, by the rules of semver.org. It stands here and nowhere else: builds and packages read it.
#pragma once

#define ZOFT_VERSION_MAJOR 0
#define ZOFT_VERSION_MINOR 1
#define ZOFT_VERSION_PATCH 0

#define ZOFT_VERSION_SPELLED(x) #x
#define ZOFT_VERSION_TEXT(major, minor, patch) \
  ZOFT_VERSION_SPELLED(major) "." ZOFT_VERSION_SPELLED(minor) "." ZOFT_VERSION_SPELLED(patch)

namespace zoft {

/// Until version 1.0, a new minor version may change names and files. A new patch only mends.
/// @{
inline constexpr int version_major = ZOFT_VERSION_MAJOR;
inline constexpr int version_minor = ZOFT_VERSION_MINOR;
inline constexpr int version_patch = ZOFT_VERSION_PATCH;
/// @}

/// "major.minor.patch"
inline constexpr char version_text[] = ZOFT_VERSION_TEXT(ZOFT_VERSION_MAJOR, ZOFT_VERSION_MINOR, ZOFT_VERSION_PATCH);

}  // namespace zoft

#undef ZOFT_VERSION_TEXT
#undef ZOFT_VERSION_SPELLED
