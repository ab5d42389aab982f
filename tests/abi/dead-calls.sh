#!/bin/sh
# SPDX-License-Identifier: MIT
# The test of calls on a dead context knows each function that is exported, but
# for those that are given no context, or need none that lives.
cd "$(dirname "$0")/../.." || exit 1

# Without a context, or with what is no state of it.
free='uhmm_budget_attach uhmm_budget_claim uhmm_budget_create
uhmm_budget_detach uhmm_budget_query uhmm_budget_set uhmm_cgroup_limit uhmm_copy uhmm_fd_close uhmm_fd_keep uhmm_fd_next
uhmm_own_next uhmm_fd_usable uhmm_format uhmm_vformat uhmm_free uhmm_inherit uhmm_module_load
uhmm_module_path uhmm_open uhmm_page_size uhmm_parse_size uhmm_provider_alloc
uhmm_provider_fail uhmm_provider_free uhmm_provider_next uhmm_provider_register uhmm_set_log
uhmm_version uhmm_why_name uhmm_device_priv uhmm_group_root'

awk '/^\t\tuhmm_/ { gsub(/[\t;]/, ""); print }' src/libuhmm.map |
	while read -r name; do
		echo "$free" | grep -qw "$name" && continue
		grep -q "DEAD($name(" tests/behaviour/fork-dead-calls.c ||
			echo "fork-dead-calls.c does not call $name()"
	done | (! grep .)
