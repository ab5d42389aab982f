#!/bin/sh
# SPDX-License-Identifier: MIT
#
# imports.sh LIBRARY [NAME...]: a library whose threads may serve the faults of
# the program's memory uses nothing that lies there: no allocator, no stdio, no
# locale, no table that is allocated.  The names that follow it may use, in
# calls that the program makes itself.
library=$1
shift

bad='(v?s?n?f?d?w?printf|v?[sf]?w?scanf|strto[a-z]*|ato[ifl]+|strerror(_r)?'
bad="$bad|(m|c|re|reallocarr|aligned_|v|pv)alloc|free|posix_memalign|memalign"
bad="$bad|strn?dup|v?asprintf|getline|getdelim|f?d?f?re?open(64)?|fopen(64)?"
bad="$bad|fclose|fgets|fputs|puts|putchar|fread|fwrite|fflush|stdout|stderr"
bad="$bad|setlocale|newlocale|uselocale|(to|is)(upper|lower|alpha|digit|space)"
bad="$bad|__ctype_.*|nl_langinfo|qsort|bsearch|opendir|readdir(64)?|syslog"
bad="$bad|get(host|pw|gr|addr).*|localtime.*|strftime|tzset|getenv|setenv)"

names=$(nm -D --undefined-only "$library" | awk '{ print $NF }' |
	sed 's/@.*//; s/^__isoc[0-9]*_//; s/^__\(.*\)_chk$/\1/' | sort -u)
if [ -z "$names" ]; then
	echo "$library: its imports cannot be listed"
	exit 1
fi
found=0
for name in $(echo "$names" | grep -Ex "$bad"); do
	case " $* " in *" $name "*) continue ;; esac
	echo "$library uses $name()"
	found=1
done
exit $found
