/* calls.c: what a call through a pointer costs on this CPU, beside a direct call and a branch.
 *
 * Small functions are reached in several ways, a million times each; of several rounds the shortest
 * counts, so that whatever else the machine does harms little.  All loops do the same besides: they
 * read a number from a table, which is another for each seed, and add it.
 *
 *     direct         always the same function, called by its name
 *     branch         the same, behind one more branch that is never taken
 *     pointer        always the same function, through a pointer that is read anew each time
 *     two direct     two functions in turn, by name
 *     two pointers   two functions in turn, through pointers
 *     any pointer    one of eight functions, at random, through pointers
 *
 * Usage: calls SEED ROUNDS.  Prints one line a way: its name, a tab, and nanoseconds a call.
 * Built and run by pointer_trial.py, which looks at nothing but orders.
 */
#define _POSIX_C_SOURCE 199309L
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define CALLS 1000000
#define TARGETS 8

#ifdef __clang__
#define ALONE __attribute__((noinline))
#else
#define ALONE __attribute__((noinline, noclone))	/* or there would be no call left to measure */
#endif

static unsigned char which[CALLS];		/* numbers below TARGETS, at random */
static volatile unsigned char never;		/* is always 0, but the compiler cannot know */
static volatile unsigned result;		/* somebody may want to know, so no loop can be left out */

#define TARGET(n) static ALONE unsigned target##n(unsigned x) { __asm__ volatile(""); return x + n; }
TARGET(0) TARGET(1) TARGET(2) TARGET(3) TARGET(4) TARGET(5) TARGET(6) TARGET(7)

typedef unsigned (*target)(unsigned);
static volatile target one = target0;		/* volatile: read anew for each call */
static volatile target all[TARGETS] = {
	target0, target1, target2, target3, target4, target5, target6, target7 };

#define WAY(name, CALL) \
	static ALONE void name(void) \
	{ \
		unsigned sum = 0; \
		for (unsigned i = 0; i < CALLS; i++) { \
			unsigned number = which[i]; \
			CALL; \
			sum += number; \
		} \
		result = sum; \
	}

WAY(direct, sum = target0(sum))
WAY(branch, if (never) sum = target7(sum); sum = target0(sum))
WAY(pointer, sum = one(sum))
WAY(two_direct, sum = i & 1 ? target1(sum) : target0(sum))
WAY(two_pointers, sum = all[i & 1](sum))
WAY(any_pointer, sum = all[number](sum))

static const struct { const char *name; void (*loop)(void); } ways[] = {
	{ "direct", direct }, { "branch", branch }, { "pointer", pointer }, { "two direct", two_direct },
	{ "two pointers", two_pointers }, { "any pointer", any_pointer } };
#define WAYS (sizeof ways / sizeof *ways)

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

int main(int argc, char **argv)
{
	unsigned state = argc > 1 ? atoi(argv[1]) : 0;
	int rounds = argc > 2 ? atoi(argv[2]) : 10;
	double best[WAYS];

	for (unsigned i = 0; i < CALLS; i++) {
		state = state * 1664525 + 1013904223;	/* its upper bits are as random as is needed here */
		which[i] = (state >> 24) % TARGETS;
	}
	for (int round = 0; round < rounds; round++)
		for (unsigned way = 0; way < WAYS; way++) {
			double begun = now(), took;

			ways[way].loop();
			took = (now() - begun) / CALLS;
			if (round == 0 || took < best[way])
				best[way] = took;
		}
	for (unsigned way = 0; way < WAYS; way++)
		printf("%s\t%.3f\n", ways[way].name, best[way]);
	return 0;
}
