# shellcheck shell=bash
# Sourced by the programs of this folder. Each installs a compiler, if it is missing, and prints the CMake arguments that
# choose it, one a line: so `cmake -B build/sixteen $(tests/toolchains/gcc 16)` takes g++ 16.
#
# What Debian has for this release and machine is installed onto it; all else (newer releases, other architectures, a
# second version of what excludes the first) is unpacked into a cache, next to what is there.
set -euo pipefail
. /etc/os-release
folder=$(dirname "${BASH_SOURCE[0]}")
cache=${XDG_CACHE_HOME:-$HOME/.cache}/rondo
arguments=()

usage() { sed -n '2,/^[^#]/ s/^# \{0,1\}//p' "$0" >&2; exit 2; }
exec 3>&1 >&2  # what is said while working is no argument

choose() { arguments+=("${@/#/-D}"); }
finish() { printf '%s\n' "${arguments[@]}" >&3; }

install() { "$folder/../../.ci/install" "$@"; }

# once FOLDER COMMAND...: makes FOLDER with the command, unless an earlier run did so to the end.
once() {
    mkdir -p "$cache"
    exec 8>"$1.lock"
    flock 8
    if [ ! -e "$1/complete" ]; then
        rm -rf "$1"
        mkdir -p "$1"
        "${@:2}"
        touch "$1/complete"
    fi
    exec 8>&-
}

# An apt of our own: that of some releases, an architecture and a scratch folder. It knows no installed packages, so that
# it fetches all that those asked for depend on. The mirrors are those that this machine has.
foreign_apt() { # RELEASES ARCHITECTURE SCRATCH COMMAND ARGUMENT...
    local kind=deb state=$3 options
    [ "$4" != source ] || kind=deb-src
    options=(-qq -y -o Dir::Etc::sourcelist="$state/sources.list" -o Dir::Etc::sourceparts=- -o Dir::State::lists="$state/lists"
        -o Dir::State::status="$state/status" -o Dir::Cache="$state/cache" -o Debug::NoLocking=true
        -o APT::Architecture="$2" -o APT::Architectures="$2" -o APT::Sandbox::User=root -o APT::Install-Recommends=false
        -o Acquire::Languages=none -o Acquire::Retries=3)
    mkdir -p "$state"/{lists,cache/archives}/partial
    touch "$state/status"
    apt-get indextargets --format '$(RELEASE) $(REPO_URI)' 'Created-By: Packages' |
        awk -v own="$VERSION_CODENAME" -v releases="$1" -v kind="$kind" '
            { mirror[$1] = $2 }
            END {
                if (!(own in mirror)) { print "No apt source serves " own >"/dev/stderr"; exit 1 }
                count = split(releases, release, " ")
                for (i = 1; i <= count; i++)
                    print kind, release[i] in mirror ? mirror[release[i]] : mirror[own], release[i], "main"
            }' >"$state/sources.list"
    apt-get "${options[@]}" update
    apt-get "${options[@]}" "${@:4}"
}

# unpack RELEASES ARCHITECTURE FOLDER PACKAGE...: these and what they need, as files; nothing of them is run.
unpack() {
    local scratch part deb
    scratch=$(mktemp -d)
    foreign_apt "$1" "$2" "$scratch" install --download-only "${@:4}"
    for part in bin lib lib64 sbin; do mkdir -p "$3/usr/$part" && ln -sfn "usr/$part" "$3/$part"; done
    for deb in "$scratch"/cache/archives/*.deb; do dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$3" --keep-directory-symlink; done
    rm -r "$scratch"
}

# catch2 ARCHITECTURE: Debian's, which serves every compiler with libstdc++. Found by its folder, not in /usr: compilers
# that have their own /usr would not look there.
catch2() {
    once "$cache/catch2-$1" unpack "$VERSION_CODENAME $VERSION_CODENAME-backports" "$1" "$cache/catch2-$1" libcatch2-dev
    choose Catch2_DIR="$cache/catch2-$1/usr/lib/cmake/Catch2"
}

# catch2_from_sources NAME: for other standard libraries and systems; built with the arguments chosen up to here.
catch2_from_sources() {
    once "$cache/catch2-sources" fetch_catch2
    once "$cache/catch2-$1" build_catch2 "$cache/catch2-$1"
    choose Catch2_DIR="$cache/catch2-$1/lib/cmake/Catch2"
}
fetch_catch2() {
    local scratch
    scratch=$(mktemp -d)
    (cd "$scratch" && foreign_apt "$VERSION_CODENAME-backports" amd64 "$scratch" source --download-only catch2)
    find "$scratch" -maxdepth 1 -name 'catch2_3*.orig.tar.*z' -exec tar -x -C "$cache/catch2-sources" --strip-components=1 -f {} \;
    rm -r "$scratch"
}
build_catch2() {
    cmake -S "$cache/catch2-sources" -B "$1/build" -G Ninja "${arguments[@]}" \
        -DCMAKE_BUILD_TYPE=Release -DCATCH_DEVELOPMENT_BUILD=OFF -DCATCH_INSTALL_DOCS=OFF -DCMAKE_INSTALL_LIBDIR=lib
    cmake --build "$1/build"
    cmake --install "$1/build" --prefix "$1"
    rm -r "$1/build"
}

# wrapper FOLDER COMMAND: a compiler whose command has arguments of its own.
wrapper() {
    printf '#!/usr/bin/env bash\nexec %s\n' "$2" >"$1/c++"
    chmod +x "$1/c++"
}
