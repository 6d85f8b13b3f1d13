import re
from pathlib import Path

from conan import ConanFile
from conan.errors import ConanInvalidConfiguration
from conan.tools.build import check_min_cppstd
from conan.tools.files import copy
from conan.tools.scm import Version

required_conan_version = ">=2.0"

# The tree that this recipe lies in. In a registry, source() gets the release's archive instead (see ../README.md).
TREE = Path(__file__).resolve().parents[3]

MINIMUM = {"gcc": "11", "clang": "16", "apple-clang": "15", "msvc": "192"}


class RondoConan(ConanFile):
    name = "rondo"
    description = "Async primitives for one thread: tasks, an event loop, structured concurrency, queues"
    license = "MIT"
    topics = ("async", "coroutines", "event-loop", "structured-concurrency", "header-only")
    package_type = "header-library"
    settings = "os", "arch", "compiler", "build_type"
    no_copy_source = True

    def set_version(self):
        text = (TREE / "include/rondo/base/version.hpp").read_text()
        self.version = ".".join(re.findall(r"version_(?:major|minor|patch) = (\d+)", text))

    def export_sources(self):
        copy(self, "LICENSE", TREE, self.export_sources_folder)
        copy(self, "include/*", TREE, self.export_sources_folder)

    def package_id(self):
        self.info.clear()  # the same for every compiler

    def validate(self):
        check_min_cppstd(self, 20)
        compiler = self.settings.compiler
        minimum = MINIMUM.get(str(compiler))
        if minimum and Version(compiler.version) < minimum:
            raise ConanInvalidConfiguration(f"rondo needs {compiler} {minimum} or later")

    def package(self):
        copy(self, "LICENSE", self.source_folder, Path(self.package_folder, "licenses"))
        for pattern in ("*.hpp", "*.py"):
            copy(self, pattern, Path(self.source_folder, "include"), Path(self.package_folder, "include"))

    def package_info(self):
        # The CMake target is rondo::rondo, and pkg-config's name rondo, as the generators call a package by themselves.
        self.cpp_info.bindirs = []
        self.cpp_info.libdirs = []
