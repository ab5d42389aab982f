#!/bin/sh
# SPDX-License-Identifier: MIT
#
# embed.sh HOW: a program of a user is built against the library in one way, and
# runs: installed (pkg-config), cmake, uninstalled. Or the library is built where
# the optional libraries are missing: as a subproject, which is installed and
# used, and as a library, in each combination of options with UHMM_SOAK. Or what
# it needs is missing (missing): one sentence says what to install.
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

# quiet COMMAND...: what the command says is told if it fails.
quiet()
{
	"$@" >"$tmp/log" 2>&1 || die "$* failed:
$(tail -n 20 "$tmp/log")"
}

# find_in ROOT: where a library and its kin were installed.
find_in()
{
	pc=$(find "$1" -name uhmm.pc)
	libdir=$(dirname "$(dirname "$pc")")
	prefix=${libdir%/lib*}
	export LD_LIBRARY_PATH="$libdir" PKG_CONFIG_PATH="$libdir/pkgconfig"
}

# Ours, and not what the machine may have installed.
install()
{
	quiet meson install -C "$UHMM_BUILD" --no-rebuild --quiet \
		--destdir "$tmp/root" --tags devel,runtime
	find_in "$tmp/root"
}

build()
{
	# shellcheck disable=SC2086
	$CC -Wall -Werror -o "$tmp/main" "$here/main.c" "$@" ||
		die "it cannot be compiled with $*"
	"$tmp/main" || die "it does not run"
}

flags()
{
	pkg-config --define-variable=prefix="$prefix" --cflags --libs "$@"
}

# with_cmake TARGET: by find_package(), in a new project.
with_cmake()
{
	rm -rf "$tmp/user" "$tmp/build" && mkdir "$tmp/user" &&
		cp "$here/main.c" "$tmp/user" || exit 1
	cat >"$tmp/user/CMakeLists.txt" <<-END
		cmake_minimum_required(VERSION 3.16)
		project(user C)
		find_package(uhmm 0.1 REQUIRED COMPONENTS $1)
		add_executable(user main.c)
		target_link_libraries(user uhmm::$1)
	END
	quiet cmake -S "$tmp/user" -B "$tmp/build" -DCMAKE_PREFIX_PATH="$prefix"
	quiet cmake --build "$tmp/build"
	"$tmp/build/user" || die "it does not run with uhmm::$1"
}

# ---- Where the optional libraries are missing --------------------------------

# poor PACKAGE...: a file for meson of a system that has only these packages, and
# tools of its own, as if across.
poor()
{
	mkdir -p "$tmp/pc" "$tmp/bin" && rm -f "$tmp/pc"/* || exit 1
	for package; do
		pcdir=$(pkg-config --variable=pcfiledir "$package")
		cp "$pcdir/$package.pc" "$tmp/pc" || skip "no $package.pc"
	done
	for tool in objcopy ar; do
		printf '#!/bin/sh\necho %s >>%s\nexec %s "$@"\n' "$tool" \
			"$tmp/used" "$tool" >"$tmp/bin/$tool"
		chmod +x "$tmp/bin/$tool"
	done
	cpu=$(uname -m)
	cat >"$tmp/poor.ini" <<-END
		[binaries]
		c = [$(echo "$CC" | sed "s/[^ ][^ ]*/'&'/g; s/ /, /g")]
		objcopy = '$tmp/bin/objcopy'
		ar = '$tmp/bin/ar'
		pkgconfig = 'pkg-config'
		pkg-config = 'pkg-config'
		scdoc = 'not-here'
		cmake = 'not-here'

		[properties]
		pkg_config_libdir = '$tmp/pc'
		needs_exe_wrapper = false

		[host_machine]
		system = 'linux'
		cpu_family = '$cpu'
		cpu = '$cpu'
		endian = 'little'
	END
}

# What is built in $tmp/build uses none of what is missing.
needs_little()
{
	! grep -qE 'json-c|jemalloc|scdoc|libzstd|-lzstd|OpenCL' \
		"$tmp/build/build.ninja" ||
		die "something of the optional libraries is used"
}

# A program that has uhmm for a part, and what is installed with it.
subproject()
{
	mkdir -p "$tmp/whole/subprojects" && cp "$here/main.c" "$tmp/whole" ||
		exit 1
	ln -s "$UHMM_SOURCE" "$tmp/whole/subprojects/uhmm"
	cat >"$tmp/whole/meson.build" <<-'END'
		project('whole', 'c')
		executable('whole', 'main.c', dependencies: dependency('uhmm'))
	END
	quiet meson setup "$tmp/build" "$tmp/whole" --wrap-mode=forcefallback \
		--cross-file "$tmp/poor.ini" -Ddefault_library=both \
		--prefix=/usr --libdir=lib
	needs_little
	quiet ninja -C "$tmp/build"
	"$tmp/build/whole" || die "it does not run"
	[ "$(sort -u "$tmp/used" | paste -sd' ')" = "ar objcopy" ] ||
		die "the static library was not made by the tools of the file"
	quiet meson install -C "$tmp/build" --no-rebuild --destdir "$tmp/part"
	find "$tmp/part" -type f | sed 's,.*/part,,' |
		grep -vE '^/usr/(include/uhmm/|lib/)' >"$tmp/log" &&
		die "a part installs $(cat "$tmp/log")"
	find_in "$tmp/part"
}

# One of each of these, in an order in which one changes at a time.
combinations()
{
	meson setup "$tmp/build" "$UHMM_SOURCE" -Dtests=disabled \
		-Dexamples=disabled >"$tmp/log" 2>&1 || die "$(cat "$tmp/log")"
	i=0
	while [ $i -lt 64 ]; do
		gray=$((i ^ i >> 1))
		i=$((i + 1))
		set --
		for option in tools preload opencl zstd man examples; do
			[ $((gray & 1)) = 1 ] && value=auto || value=disabled
			gray=$((gray >> 1))
			set -- "$@" "-D$option=$value"
		done
		echo "$*"
		quiet meson configure "$tmp/build" "$@"
		quiet ninja -C "$tmp/build"
	done
}

# The static library is machine code, where distributions compile with LTO.
static_of_lto()
{
	rm -rf "$tmp/build"
	meson setup "$tmp/build" "$UHMM_SOURCE" --cross-file "$tmp/poor.ini" \
		-Dc_args='-flto -ffat-lto-objects' -Ddefault_library=static \
		-Dtests=disabled -Dexamples=disabled >"$tmp/log" 2>&1 || {
		grep -q "cannot be made with LTO" "$tmp/log" && return
		die "$(tail "$tmp/log")"
	}
	quiet ninja -C "$tmp/build" src/libuhmm.a
	build -I "$UHMM_SOURCE/include" "$tmp/build/src/libuhmm.a" \
		-lurcu-bp -llz4 -pthread
}

# says PACKAGE OPTION...: setting up fails, and says to install PACKAGE.
says()
{
	package=$1
	shift
	rm -rf "$tmp/build"
	if meson setup "$tmp/build" "$UHMM_SOURCE" -Dtests=disabled \
		--cross-file "$tmp/poor.ini" "$@" >"$tmp/log" 2>&1; then
		die "$package is not missed"
	fi
	grep -q "ERROR: .*install it (Debian: $package)" "$tmp/log" ||
		die "it does not say that $package is missing:
$(tail "$tmp/log")"
}

command -v pkg-config >/dev/null || skip "there is no pkg-config"
case $1 in
installed)
	install
	# shellcheck disable=SC2046
	build $(flags uhmm)
	;;
uninstalled)
	export PKG_CONFIG_PATH="$UHMM_BUILD/meson-uninstalled"
	export LD_LIBRARY_PATH="$UHMM_BUILD/src"
	# shellcheck disable=SC2046
	build $(pkg-config --cflags --libs uhmm)
	;;
cmake)
	command -v cmake >/dev/null || skip "there is no cmake"
	install
	with_cmake uhmm
	[ ! -e "$libdir/libuhmm-opencl.so" ] || with_cmake opencl
	;;
subproject)
	poor liburcu-bp liblz4
	subproject
	# shellcheck disable=SC2046
	build $(flags uhmm)
	# shellcheck disable=SC2046
	build $(flags --static uhmm | sed 's/-luhmm/-l:libuhmm.a/')
	! command -v cmake >/dev/null || with_cmake static
	;;
library)
	poor liburcu-bp liblz4
	quiet meson setup "$tmp/build" "$UHMM_SOURCE" -Ddocs=disabled \
		-Dpython_dir=/opt/py --cross-file "$tmp/poor.ini"
	needs_little
	meson introspect --installed "$tmp/build" >"$tmp/log"
	grep -q '"/opt/py/uhmm"' "$tmp/log" || die "python_dir has no effect"
	grep -q share/doc "$tmp/log" && die "documents were not wanted"
	rm -rf "$tmp/build"
	[ -z "$UHMM_SOAK" ] || { static_of_lto && combinations; }
	;;
missing)
	poor liblz4
	says liburcu-dev
	poor liburcu-bp
	says liblz4-dev
	poor liburcu-bp liblz4
	says libjson-c-dev -Dtools=enabled
	says libjemalloc-dev -Dpreload=enabled
	says libzstd-dev -Dzstd=enabled
	says ocl-icd-opencl-dev -Dopencl=enabled
	says scdoc -Dman=enabled
	;;
esac
