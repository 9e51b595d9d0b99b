import os

from conan import ConanFile
from conan.tools.build import can_run
from conan.tools.cmake import CMake, cmake_layout


class ZoftTest(ConanFile):
    settings = "os", "arch", "compiler", "build_type"
    generators = "CMakeToolchain", "CMakeDeps", "PkgConfigDeps"

    def requirements(self):
        self.requires(self.tested_reference_str)

    def layout(self):
        cmake_layout(self)

    def build(self):
        cmake = CMake(self)
        version = str(self.dependencies["zoft"].ref.version)
        cmake.configure({"WAY": "find_package", "VERSION": version}, build_script_folder=self._consumer())
        cmake.build()

    def _consumer(self):
        return os.path.join(self.recipe_folder, "..", "..", "..", "tests", "consumer", "project")

    def test(self):
        if can_run(self):
            self.run(os.path.join(self.cpp.build.bindir, "consumer"), env="conanrun")
