# shellcheck shell=bash
# Finds what a script needs and installs what is missing. Source it; on its own it runs nothing.
#
#   need_swift
#   need_commands curl:curl nginx:nginx-light           command:package
#   need_libraries zlib:zlib1g-dev sqlite3:libsqlite3-dev   pkg-config name:package
#   need_files /usr/lib/nginx/modules/x.so:package      path:package
#
# As root, packages are installed with apt-get. Otherwise, or when that fails, one line on standard
# error names every missing package and the script ends with status 1.

# Debian keeps nginx, haproxy and ip where a plain user's PATH does not look.
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

# Prints "SCRIPT: message" on standard error and ends the script.
fail() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

need_swift() {
    command -v swift >/dev/null ||
        fail "swift is not in PATH: install Swift 6.3 or newer (https://www.swift.org/install/linux/)"
}

need_commands() { need has_command command "$@"; }
need_libraries() { need has_library library "$@"; }
need_files() { need has_file file "$@"; }

has_command() { command -v "$1" >/dev/null; }
has_file() { [[ -e $1 ]]; }

# Looks for the .pc file itself where there is no pkg-config to ask: the Swift package manager reads these files
# on its own too.
has_library() {
    if has_command pkg-config; then
        pkg-config --exists "$1"
    else
        compgen -G "/usr/lib/*/pkgconfig/$1.pc" >/dev/null || compgen -G "/usr/*/pkgconfig/$1.pc" >/dev/null
    fi
}

# need TEST KIND NAME:PACKAGE… installs the package of each NAME that TEST does not find.
need() {
    local test=$1 kind=$2 names=() packages=() wanted
    shift 2
    for wanted in "$@"; do
        "$test" "${wanted%:*}" && continue
        names+=("${wanted%:*}")
        packages+=("${wanted##*:}")
    done
    ((${#names[@]})) || return 0

    local missing="missing $kind ${names[*]}: install with: apt-get install ${packages[*]}"
    if ((EUID != 0)) || ! has_command apt-get; then
        fail "$missing"
    fi
    printf '%s: installing %s\n' "${0##*/}" "${packages[*]}" >&2
    local reason
    reason=$(install_packages "${packages[@]}") || fail "$missing (apt-get failed: $reason)"
    export SLUICE_PACKAGE_LISTS=fresh
    hash -r
    for wanted in "${names[@]}"; do
        "$test" "$wanted" || fail "$missing (installed, but still not found)"
    done
}

# Installs packages quietly; when that fails, prints the reason. The package lists are renewed once per run.
# Services that packages bring stay stopped: while this runs, a policy file tells Debian's maintainer scripts
# not to start any (a policy that is there already is left alone).
install_packages() (
    log=$(mktemp)
    policy=/usr/sbin/policy-rc.d
    trap 'rm --force "$log"' EXIT
    if [[ ! -e $policy ]]; then
        trap 'rm --force "$log" "$policy"' EXIT
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod 755 "$policy"
    fi
    export DEBIAN_FRONTEND=noninteractive
    wait_for_lock=(--option DPkg::Lock::Timeout=300)
    if [[ -z ${SLUICE_PACKAGE_LISTS:-} ]]; then
        apt-get "${wait_for_lock[@]}" --quiet update >"$log" 2>&1 || { grep --max-count=1 '^E:' "$log"; exit 1; }
    fi
    apt-get "${wait_for_lock[@]}" --quiet --yes --no-install-recommends install "$@" >"$log" 2>&1 ||
        { grep --max-count=1 '^E:' "$log"; exit 1; }
)

# What `swift build` needs beyond the toolchain.
need_build_tools() {
    need_swift
    need_commands git:git ld:binutils pkg-config:pkg-config
    need_files /usr/include/c++:libstdc++-12-dev /etc/ssl/certs/ca-certificates.crt:ca-certificates
    need_libraries openssl:libssl-dev libnghttp2:libnghttp2-dev libmnl:libmnl-dev zlib:zlib1g-dev sqlite3:libsqlite3-dev
}
