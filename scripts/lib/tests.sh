# shellcheck shell=bash
# How the tests are built and run: optimised like what they test, so that nothing is built a second time for them, but with
# the checks for exclusive access that the data path's releases leave out. Source it; on its own it runs nothing.
# shellcheck disable=SC2034
test_options=(--configuration release --scratch-path .build/tests -Xswiftc -enable-testing
    -Xswiftc -enforce-exclusivity=checked)
