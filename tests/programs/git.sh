# SPDX-License-Identifier: MIT
# shellcheck shell=sh disable=SC2034,SC2154
# What gc writes may differ from run to run, what it holds may not.
needs=git

prepare()
{
	git clone -q --bare --no-hardlinks "$UHMM_SOURCE" fresh.git
}

job()
{
	rm -rf repo.git
	cp -r fresh.git repo.git
	"$@" git -C repo.git -c gc.auto=0 -c pack.threads=2 \
		gc -q --aggressive --prune=now || return
	git -C repo.git fsck --full 2>&1
	git -C repo.git rev-list --objects --all | sort
}
