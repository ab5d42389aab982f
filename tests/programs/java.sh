# SPDX-License-Identifier: MIT
# shellcheck shell=sh disable=SC2034,SC2154
needs='java javac'

prepare()
{
	cat >Job.java <<-'END'
		import java.util.*;

		public class Job {
			public static void main(String[] args) {
				Map<String, long[]> m = new HashMap<>();
				long sum = 0;
				for (int r = 0; r < 4; r++)
					for (int i = 0; i < 500000; i++)
						m.computeIfAbsent("key " + i * 7919L % 1000003,
							k -> new long[8])[r] += i;
				for (int r = 0; r < 20; r++) {
					List<String> l = new ArrayList<>(m.keySet());
					Collections.sort(l);
					for (String s : l)
						sum = sum * 31 + s.hashCode() + m.get(s)[r % 8];
				}
				System.out.println(m.size() + " " + sum);
			}
		}
	END
	javac Job.java
}

job()
{
	"$@" java -Xms400m -Xmx400m -cp . Job
}
