// SPDX-License-Identifier: MIT
/*
 * dictionary.c - a page packs better if the codec has seen others like it.
 *
 * The dictionary of a device is 16 KiB of its first pages: a kibibyte of each
 * 128th page that packs.  The dictionary is not trained: zstd allocates memory
 * for that.  When there are enough samples, other pages are packed with the
 * dictionary and without.  Where the dictionary saves a part in LEAST_GAIN, all
 * pages are packed with it from then on, else the device drops it for good.
 *
 * The thread with a page of the right number writes a sample or a trial.
 * The thread that writes the last one makes the dictionary, in a call that
 * copies to the device, and publishes it.
 */
#include "dictionary.h"

#include <errno.h>
#include <string.h>

#include <uhmm/provider.h>

#define NR_SAMPLES  16u
#define SAMPLE	    1024u
#define CONTENT	    (NR_SAMPLES * SAMPLE)
#define NR_TRIALS   32u
#define TRIAL_STEP  64u /* pages from one trial to the next */
#define SAMPLE_STEP (NR_TRIALS * TRIAL_STEP / NR_SAMPLES)
#define LEAST_GAIN  32

static size_t trials_len(void)
{
	return NR_TRIALS * uhmm_page_size();
}

int dictionary_init(struct dictionary *d, const struct codec *codec, int level)
{
	if (!codec->dictionary_len)
		return 0;
	d->codec = codec;
	d->level = level;
	d->objects_len = codec->dictionary_len(CONTENT, level);
	d->content = uhmm_provider_alloc(CONTENT);
	d->trials = uhmm_provider_alloc(trials_len());
	d->objects = uhmm_provider_alloc(d->objects_len);
	return d->content && d->trials && d->objects ? 0 : -ENOMEM;
}

static void free_trials(struct dictionary *d)
{
	if (d->trials)
		uhmm_provider_free(d->trials, trials_len());
	d->trials = NULL;
}

static void free_objects(struct dictionary *d)
{
	if (d->content)
		uhmm_provider_free(d->content, CONTENT);
	if (d->objects)
		uhmm_provider_free(d->objects, d->objects_len);
	d->content = d->objects = NULL;
}

void dictionary_fini(struct dictionary *d)
{
	free_trials(d);
	free_objects(d);
}

/* Bytes that all trials take; a trial that does not fit takes a page. */
static size_t try_all(const struct dictionary *d, const void *objects,
		      void *packer, void *out)
{
	const size_t page = uhmm_page_size();
	size_t sum = 0;

	for (unsigned i = 0; i < NR_TRIALS; i++) {
		const void *from = d->trials + i * page;
		size_t len = objects ? d->codec->pack_with(packer, objects,
							   from, out, page) :
				       d->codec->pack(packer, from, out, page);

		sum += len ? len : page;
	}
	return sum;
}

static void make_dictionary(struct dictionary *d, void *packer, void *out)
{
	size_t without, with = SIZE_MAX;

	without = try_all(d, NULL, packer, out);
	if (!d->codec->dictionary_init(d->objects, d->content, CONTENT,
				       d->level))
		with = try_all(d, d->objects, packer, out);
	free_trials(d);
	if (with > without - without / LEAST_GAIN) {
		free_objects(d);
		atomic_store(&d->ram, 0);
		return;
	}
	atomic_store(&d->ram, CONTENT + d->objects_len);
	atomic_store_explicit(&d->ready, d->objects, memory_order_release);
}

/* Return: whether it was the last one. */
static bool note_filled(struct dictionary *d, size_t len)
{
	atomic_fetch_add(&d->ram, len);
	return atomic_fetch_add(&d->filled, 1) + 1 == NR_SAMPLES + NR_TRIALS;
}

/* Of each page another part. */
static bool take_sample(struct dictionary *d, unsigned i, const char *page)
{
	size_t parts = uhmm_page_size() / SAMPLE;

	memcpy(d->content + i * SAMPLE, page + i % parts * SAMPLE, SAMPLE);
	return note_filled(d, SAMPLE);
}

static bool take_trial(struct dictionary *d, unsigned i, const char *page)
{
	memcpy(d->trials + i * uhmm_page_size(), page, uhmm_page_size());
	return note_filled(d, uhmm_page_size());
}

void dictionary_offer(struct dictionary *d, const void *page, void *packer,
		      void *out)
{
	uint32_t n;

	if (!d->codec || atomic_load_explicit(&d->seen, memory_order_relaxed) >=
				 NR_TRIALS * TRIAL_STEP)
		return;
	n = atomic_fetch_add(&d->seen, 1);
	if (n >= NR_TRIALS * TRIAL_STEP)
		return;
	if ((n % TRIAL_STEP == 0 && take_trial(d, n / TRIAL_STEP, page)) ||
	    (n % SAMPLE_STEP == SAMPLE_STEP / 4 &&
	     take_sample(d, n / SAMPLE_STEP, page)))
		make_dictionary(d, packer, out);
}
