// SPDX-License-Identifier: MIT
/*
 * module.c - modules that are wrong in one way: MODULE_ABI is not ours, or the
 * provider has another name than the file, or there is no provider at all.
 */
#include <errno.h>

#include <uhmm/provider.h>

#ifdef MODULE_ABI
static int refuse(const char *const *values, struct uhmm_device_desc *desc,
		  void **ret_priv)
{
	return -ENODEV;
}

static const struct uhmm_provider provider = {
	.size = sizeof(provider),
	.abi = UHMM_PROVIDER_ABI,
	.name = "good",
	.open = refuse,
};

const struct uhmm_module uhmm_module = {
	.size = sizeof(uhmm_module),
	.abi = MODULE_ABI,
	.provider = &provider,
};
#else
int nothing_of_ours(void);

__attribute__((visibility("default"))) int nothing_of_ours(void)
{
	return -ENODEV;
}
#endif
