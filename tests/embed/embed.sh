#!/bin/sh
# SPDX-License-Identifier: MIT
#
# embed.sh HOW: a program of a user is built against the library in one way, and
# runs: installed (pkg-config, and the static library where it is there), cmake,
# uninstalled, or subproject, which needs none of the optional libraries.
here=$(cd "$(dirname "$0")" && pwd)
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT

skip()
{
	echo "skipped: $*" >&2
	exit 77
}

die()
{
	echo "FAILED: $*" >&2
	exit 1
}

# Ours, and not what the machine may have installed.
install()
{
	meson install -C "$UHMM_BUILD" --no-rebuild --quiet --destdir "$tmp/root" \
		--tags devel,runtime >"$tmp/log" 2>&1 || die "$(cat "$tmp/log")"
	pc=$(find "$tmp/root" -name uhmm.pc)
	libdir=$(dirname "$(dirname "$pc")")
	prefix=${libdir%/lib*}
	export LD_LIBRARY_PATH="$libdir"
}

build()
{
	# shellcheck disable=SC2086
	$CC -Wall -Werror -o "$tmp/main" "$here/main.c" "$@" ||
		die "it cannot be compiled with $*"
	"$tmp/main" || die "it does not run"
}

case $1 in
installed)
	command -v pkg-config >/dev/null || skip "there is no pkg-config"
	install
	export PKG_CONFIG_PATH="$libdir/pkgconfig"
	# shellcheck disable=SC2046
	build $(pkg-config --define-variable=prefix="$prefix" --cflags --libs uhmm)
	[ -e "$libdir/libuhmm.a" ] || exit 0
	# shellcheck disable=SC2046
	build $(pkg-config --define-variable=prefix="$prefix" --static --cflags \
		--libs uhmm | sed 's/-luhmm/-l:libuhmm.a/')
	;;
uninstalled)
	command -v pkg-config >/dev/null || skip "there is no pkg-config"
	export PKG_CONFIG_PATH="$UHMM_BUILD/meson-uninstalled"
	export LD_LIBRARY_PATH="$UHMM_BUILD/src"
	# shellcheck disable=SC2046
	build $(pkg-config --cflags --libs uhmm)
	;;
cmake)
	command -v cmake >/dev/null || skip "there is no cmake"
	install
	mkdir "$tmp/user" && cp "$here/main.c" "$tmp/user" || exit 1
	cat >"$tmp/user/CMakeLists.txt" <<-'END'
		cmake_minimum_required(VERSION 3.16)
		project(user C)
		find_package(uhmm 0.1 REQUIRED)
		add_executable(user main.c)
		target_link_libraries(user uhmm::uhmm)
	END
	cmake -S "$tmp/user" -B "$tmp/build" -DCMAKE_PREFIX_PATH="$prefix" \
		>"$tmp/log" 2>&1 || die "$(cat "$tmp/log")"
	cmake --build "$tmp/build" >"$tmp/log" 2>&1 || die "$(cat "$tmp/log")"
	"$tmp/build/user" || die "it does not run"
	;;
subproject)
	mkdir -p "$tmp/user/subprojects" && cp "$here/main.c" "$tmp/user" || exit 1
	ln -s "$UHMM_SOURCE" "$tmp/user/subprojects/uhmm"
	cat >"$tmp/user/meson.build" <<-'END'
		project('user', 'c')
		executable('user', 'main.c', dependencies: dependency('uhmm'))
	END
	# As if they were missing.
	meson setup "$tmp/build" "$tmp/user" --wrap-mode=forcefallback \
		-Duhmm:tools=disabled -Duhmm:preload=disabled \
		-Duhmm:man=disabled -Duhmm:opencl=disabled \
		-Duhmm:zstd=disabled >"$tmp/log" 2>&1 ||
		die "$(cat "$tmp/log")"
	grep -qE 'json-c|jemalloc|scdoc|libzstd|-lzstd' "$tmp/build/build.ninja" &&
		die "something of the optional libraries is used"
	[ -z "$UHMM_SOAK" ] || ninja -C "$tmp/build" user >"$tmp/log" 2>&1 ||
		die "$(tail -n 20 "$tmp/log")"
	[ -z "$UHMM_SOAK" ] || "$tmp/build/user" || die "it does not run"
	;;
esac
