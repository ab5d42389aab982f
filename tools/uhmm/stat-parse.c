// SPDX-License-Identifier: MIT
/* Turns the lines of a context into JSON.  Unknown lines are ignored. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "stat.h"

#define MAX_WORDS 10

struct line {
	char *word[MAX_WORDS];
	size_t nr;
};

static void split(char *text, struct line *l)
{
	char *rest = NULL;

	l->nr = 0;
	for (char *w = strtok_r(text, " ", &rest); w && l->nr < MAX_WORDS;
	     w = strtok_r(NULL, " ", &rest))
		l->word[l->nr++] = w;
}

static struct json_object *array_of(struct json_object *o, const char *name)
{
	struct json_object *array = NULL;

	if (json_object_object_get_ex(o, name, &array))
		return array;
	array = json_object_new_array();
	json_object_object_add(o, name, array);
	return array;
}

static void add_number(struct json_object *o, const char *name,
		       const char *word)
{
	unsigned long long v = 0;
	char rest;

	if (sscanf(word, "%llu%c", &v, &rest) == 1)
		json_object_object_add(o, name, json_object_new_uint64(v));
}

static void add_word(struct json_object *o, const char *name, const char *word)
{
	json_object_object_add(o, name, json_object_new_string(word));
}

/*
 * @names: names of the words after the first, separated by blanks.  '=' before
 *	a name: the word is text and not a number.
 */
static struct json_object *object_of(const struct line *l, const char *names)
{
	struct json_object *o = json_object_new_object();
	char copy[256], *rest = NULL, *name;
	size_t i = 1;

	snprintf(copy, sizeof(copy), "%s", names);
	for (name = strtok_r(copy, " ", &rest); name && i < l->nr;
	     name = strtok_r(NULL, " ", &rest), i++) {
		if (*name == '=')
			add_word(o, name + 1, l->word[i]);
		else
			add_number(o, name, l->word[i]);
	}
	return o;
}

static struct json_object *last_of(struct json_object *array)
{
	size_t n = json_object_array_length(array);

	return n ? json_object_array_get_idx(array, n - 1) : NULL;
}

/* Add @what to the list @name of the last object in @array. */
static void add_below(struct json_object *array, const char *name,
		      struct json_object *what)
{
	struct json_object *last = last_of(array);

	if (last)
		json_object_array_add(array_of(last, name), what);
	else
		json_object_put(what);
}

static void parse_head(struct json_object *o, const struct line *l)
{
	add_word(o, "version", l->word[1]);
	add_number(o, "pid", l->word[2]);
	add_word(o, "features", l->nr > 3 ? l->word[3] : "");
	json_object_object_add(o, "stats", json_object_new_object());
	json_object_object_add(o, "devices", json_object_new_array());
	json_object_object_add(o, "groups", json_object_new_array());
}

static void parse_stat(struct json_object *o, const struct line *l)
{
	struct json_object *stats;

	if (json_object_object_get_ex(o, "stats", &stats))
		add_number(stats, l->word[1], l->word[2]);
}

static void parse_limit(struct json_object *o, const struct line *l)
{
	add_number(o, "ram_limit", l->word[1]);
	add_word(o, "charge", l->word[2]);
}

/*
 * Lines that are elements of a list: the first word, the list, the list within
 * its last object, and the names of the other words.
 */
static const struct {
	const char *word, *list, *below, *names;
} lists[] = {
	{ "device", "devices", NULL,
	  "id =name pages used stored_bytes pages_in pages_out errors" },
	{ "group", "groups", NULL,
	  "id parent =name ram_pages all_pages limit exceeded" },
	{ "on", "groups", "devices", "group device pages limit exceeded" },
	{ "range", "ranges", NULL,
	  "=start =end ram_pages frozen_pages device_pages poisoned_pages "
	  "empty_pages" },
	{ "in", "ranges", "devices", "=start device pages" },
};

static void parse_list(struct json_object *o, const struct line *l)
{
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		struct json_object *what;

		if (strcmp(l->word[0], lists[i].word) != 0)
			continue;
		what = object_of(l, lists[i].names);
		if (lists[i].below)
			add_below(array_of(o, lists[i].list), lists[i].below,
				  what);
		else
			json_object_array_add(array_of(o, lists[i].list), what);
	}
}

static void parse_line(struct json_object *o, const struct line *l)
{
	if (l->nr < 3)
		return;
	if (strcmp(l->word[0], "uhmm") == 0)
		parse_head(o, l);
	else if (strcmp(l->word[0], "stat") == 0)
		parse_stat(o, l);
	else if (strcmp(l->word[0], "limit") == 0)
		parse_limit(o, l);
	else
		parse_list(o, l);
}

struct json_object *stat_parse(char *text)
{
	struct json_object *o = json_object_new_object();
	bool ended = false;
	char *rest = NULL;

	for (char *line = strtok_r(text, "\n", &rest); line && !ended;
	     line = strtok_r(NULL, "\n", &rest)) {
		struct line l;

		ended = strcmp(line, "end") == 0;
		split(line, &l);
		parse_line(o, &l);
	}
	if (ended && json_object_object_get_ex(o, "stats", NULL))
		return o;
	json_object_put(o);
	return NULL;
}
