// SPDX-License-Identifier: MIT
/*
 * encrypted.c - a device with encrypted RAM as its memory: core dumps and swap
 * show no data of pages on the device.
 *
 * Each write of a page has a nonce of its own, and a tag that covers the page's
 * number.  A page that was changed, or exchanged, is lost (SIGBUS).
 * cc -o encrypted encrypted.c $(pkg-config --cflags --libs uhmm libsodium)
 */
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <uhmm/provider.h>

#define NPAGES	   512
#define PAGE	   uhmm_page_size()
#define LEN	   (NPAGES * PAGE)
#define AEAD(name) crypto_aead_xchacha20poly1305_ietf_##name

struct vault {
	unsigned char *key, *memory; /* the key is locked in RAM */
	struct seal {
		unsigned char nonce[AEAD(NPUBBYTES)], tag[AEAD(ABYTES)];
	} seals[NPAGES];
};

static void lock(struct vault *v, uint64_t dpfn, const unsigned char *ram)
{
	struct seal *s = &v->seals[dpfn];

	randombytes_buf(s->nonce, sizeof(s->nonce));
	AEAD(encrypt_detached)
	(v->memory + dpfn * PAGE, s->tag, NULL, ram, PAGE,
	 (unsigned char *)&dpfn, sizeof(dpfn), NULL, s->nonce, v->key);
}

static int unlock(struct vault *v, uint64_t dpfn, unsigned char *ram)
{
	const struct seal *s = &v->seals[dpfn];

	return AEAD(decrypt_detached)(ram, NULL, v->memory + dpfn * PAGE, PAGE,
				      s->tag, (unsigned char *)&dpfn,
				      sizeof(dpfn), s->nonce, v->key);
}

static int copy_to_devmem(void *priv, const struct uhmm_segment *seg, size_t nr)
{
	for (; nr; seg++, nr--)
		for (size_t i = 0; i < seg->npages; i++)
			lock(priv, seg->dpfn + i,
			     (unsigned char *)seg->ram + i * PAGE);
	return 0;
}

static int copy_to_ram(void *priv, const struct uhmm_segment *seg, size_t nr)
{
	for (; nr; seg++, nr--)
		for (size_t i = 0; i < seg->npages; i++)
			if (unlock(priv, seg->dpfn + i,
				   (unsigned char *)seg->ram + i * PAGE))
				return uhmm_provider_fail(-EIO, "changed page");
	return 0;
}

static const struct uhmm_device_ops ops = {
	.size = sizeof(ops),
	.copy_to_devmem = copy_to_devmem,
	.copy_to_ram = copy_to_ram,
};

int main(void)
{
	static const char secret[] = "the combination is 1-2-3-4-5";
	struct uhmm_device_desc desc = { .size = sizeof(desc), .ops = &ops };
	char *data = aligned_alloc(PAGE, LEN);
	static struct vault v;
	struct uhmm_device *dev;
	struct uhmm *u;

	if (sodium_init() < 0 || !data || !(v.memory = malloc(LEN)) ||
	    !(v.key = sodium_malloc(AEAD(KEYBYTES))))
		return 1;
	AEAD(keygen)(v.key);
	desc.name = "vault";
	desc.type = UHMM_MEMORY_DEVICE_PRIVATE;
	desc.npages = NPAGES;
	if (uhmm_open(NULL, &u) || uhmm_device_add(u, &desc, &v, &dev))
		return 1;
	for (size_t at = 0; at < LEN; at += PAGE)
		strcpy(memset(data + at, 0, PAGE), secret);
	if (uhmm_migrate(u, data, LEN, dev) != NPAGES ||
	    !memcmp(v.memory + 7 * PAGE, secret, 8))
		return 1;
	printf("no secret on the device; %s\n", data + 7 * PAGE);
	return uhmm_close(u) || strcmp(data + 9 * PAGE, secret);
}
