"""Conan 2 recipe of zoft: conan create packaging/conan

The package is what CMake installs, with its own zoftConfig.cmake. So `find_package(zoft)` has the components nn and text
here as elsewhere; what they depend on (Eigen, xsimd, nlohmann-json; PCRE2, ICU) is the consumer's to require.
"""

import os
import re

from conan import ConanFile
from conan.tools.build import check_min_cppstd
from conan.tools.cmake import CMake, CMakeToolchain, cmake_layout
from conan.tools.files import copy, load


class Zoft(ConanFile):
    name = "zoft"
    description = "Trains models with forward passes only"
    license = "MIT"
    topics = ("zeroth-order", "fine-tuning", "header-only")
    package_type = "header-library"
    settings = "os", "arch", "compiler", "build_type"
    implements = ["auto_header_only"]

    def _project(self):
        return os.path.join(self.recipe_folder, "..", "..")

    def set_version(self):
        header = load(self, os.path.join(self._project(), "include", "zoft", "version.hpp"))
        self.version = ".".join(re.findall(r"#define ZOFT_VERSION_(?:MAJOR|MINOR|PATCH) (\d+)", header))

    def export_sources(self):
        for pattern in ("include/*", "cmake/*", "CMakeLists.txt", "LICENSE"):
            copy(self, pattern, self._project(), self.export_sources_folder)

    def layout(self):
        cmake_layout(self)

    def validate(self):
        check_min_cppstd(self, 20)

    def generate(self):
        toolchain = CMakeToolchain(self)
        toolchain.cache_variables["ZOFT_TESTS"] = False
        toolchain.cache_variables["ZOFT_EXAMPLES"] = False
        toolchain.generate()

    def build(self):
        CMake(self).configure()

    def package(self):
        copy(self, "LICENSE", self.source_folder, os.path.join(self.package_folder, "licenses"))
        CMake(self).install()

    def package_info(self):
        self.cpp_info.bindirs = []
        self.cpp_info.libdirs = []
        self.cpp_info.set_property("cmake_find_mode", "none")
        self.cpp_info.builddirs = [os.path.join("share", "cmake", "zoft")]
        self.cpp_info.set_property("pkg_config_name", "zoft")
