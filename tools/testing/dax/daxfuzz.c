// SPDX-License-Identifier: GPL-2.0
/*
 * daxfuzz: random programs of what user space can do to dax devices
 *
 *	daxfuzz [-u] [-t SECONDS] [-s SEED] [-o FILE] [-c PATTERN] [PROGRAM]...
 *	daxfuzz -r [-n TIMES] [-o FILE] [-c PATTERN] PROGRAM...
 *
 * A program is a text of one call a line, "touch p0 4K w"; a line that begins with
 * "& " runs beside those after it. Each program is a process group that finds the
 * device as it was for all others, and has a few seconds.
 *
 * The kernel tells by KCOV which code each call executes. A program that reaches
 * what none did before (an edge: from one piece of code to another) is shortened
 * as long as it still does, and kept; later programs are changes of kept ones, and
 * now and then all new. -u does without that: all programs are new.
 *
 * What it runs and what it keeps goes to FILE, where it is safe before the program
 * begins. With -r it runs the PROGRAMs, each so many times, one after the other.
 *
 * It stops at a line in the kernel log that matches PATTERN, and at a process
 * that cannot be killed. Exit status: 0 nothing was found, 1 something was, 2 it
 * does not work here, 3 the device cannot be used any more.
 */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <regex.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>
#include "daxfuzz.h"
#include "daxtest_tool.h"

#define KCOV		"/sys/kernel/debug/kcov"
#define KCOV_INIT_TRACE	_IOR('c', 1, unsigned long)
#define KCOV_ENABLE	_IO('c', 100)
#define KCOV_TRACE_PC	0
#define COVER		(128UL << 10)	/* words that the kernel may write for a call */

#define EDGES		0x40000
#define MAX_CORPUS	4096
#define CALL_SECONDS	3
#define PROG_SECONDS	6
#define DEAD_SECONDS	60		/* after SIGKILL */
#define STAT_SECONDS	30

struct prog {
	int n;
	struct call call[MAX_CALLS];
};

/* What the process of a program leaves to its parent */
static struct shared {
	bool unusable;			/* the device was not what it should be */
	unsigned int n;
	uint32_t edge[EDGES];		/* the first n, each once */
	unsigned int run[EDGES];	/* number of the last run that had it */
} *shared;

static struct prog corpus[MAX_CORPUS];
static int nr_corpus;
static bool known[EDGES];
static unsigned int nr_known, nr_runs;
static uint64_t state;
static unsigned long *cover;
static int kcov = -1, kmsg = -1, out = STDOUT_FILENO;
static regex_t complaint;
static bool has_pattern, showing;

static unsigned int pick(unsigned int n)
{
	return (rnd(&state) >> 11) % n;
}

/* Programs as text */

static size_t print_call(char *to, size_t size, const struct call *c)
{
	size_t n = snprintf(to, size, "%s%s", c->async ? "& " : "", c->op->name);
	unsigned int i;

	for (i = 0; c->op->args[i]; i++)
		n += snprintf(to + n, size - n, " %s", c->arg[i]);
	return n;
}

/* In one write, so that it is out whatever comes */
static void tell(const char *what, unsigned int nr, const struct prog *p)
{
	static char text[MAX_CALLS * 256];
	size_t n = snprintf(text, sizeof(text), "%s %u\n", what, nr);
	int i;

	for (i = 0; i < p->n; i++) {
		n += print_call(text + n, 200, &p->call[i]);
		text[n++] = '\n';
	}
	n += snprintf(text + n, sizeof(text) - n, "end\n");
	if (write(out, text, n) != (ssize_t)n)
		die("cannot say what runs: %s", errname(errno));
}

static void say(const char *what, const char *text)
{
	dprintf(out, "%s: %s\n", what, text);
	printf("daxfuzz: %s: %s\n", what, text);
	fflush(stdout);
}

static void parse_call(struct prog *p, char *line, const char *path)
{
	struct call *c = &p->call[p->n];
	char *word = strtok(line, " \t\n");
	unsigned int i;

	if (!word || *word == '#')
		return;
	if (p->n == MAX_CALLS)
		die("%s: more than %d calls", path, MAX_CALLS);
	c->async = !strcmp(word, "&");
	if (c->async)
		word = strtok(NULL, " \t\n");
	for (c->op = ops; word && c->op < ops + nr_ops; c->op++)
		if (!strcmp(c->op->name, word))
			break;
	if (!word || c->op == ops + nr_ops)
		die("%s: no call is named %s", path, word ?: "&");
	for (i = 0; c->op->args[i]; i++) {
		word = strtok(NULL, " \t\n");
		if (!word)
			die("%s: %s has more arguments", path, c->op->name);
		c->arg[i] = strdup(word);
	}
	p->n++;
}

static void parse(struct prog *p, const char *path)
{
	FILE *f = fopen(path, "r");
	char line[512];

	if (!f)
		die("%s: %s", path, errname(errno));
	p->n = 0;
	while (fgets(line, sizeof(line), f))
		parse_call(p, line, path);
	fclose(f);
}

/* Random programs, and changes to programs */

static const char *random_word(char key)
{
	const struct kind *kind = kind_of(key);
	const char *s = kind->plain;
	unsigned int n = 0, len;

	if (kind->words) {
		while (kind->words[n].name)
			n++;
		return kind->words[pick(n)].name;
	}
	for (n = 1; (s = strchr(s, ' ')); s++)
		n++;
	for (s = kind->plain, n = pick(n); n; n--)
		s = strchr(s, ' ') + 1;
	len = strcspn(s, " ");
	return strndup(s, len);
}

static void random_call(struct call *c)
{
	unsigned int i, sum = 0, n;

	for (i = 0; i < (unsigned int)nr_ops; i++)
		sum += ops[i].weight;
	n = pick(sum);
	for (c->op = ops; n >= (unsigned int)c->op->weight; c->op++)
		n -= c->op->weight;
	c->async = !pick(16);
	for (i = 0; c->op->args[i]; i++)
		c->arg[i] = random_word(c->op->args[i]);
}

static void random_prog(struct prog *p)
{
	for (p->n = 0; p->n < 4 || (p->n < MAX_RANDOM && pick(12)); p->n++)
		random_call(&p->call[p->n]);
}

static void insert(struct prog *p, unsigned int at, const struct call *c)
{
	if (p->n >= MAX_RANDOM)
		p->n = MAX_RANDOM - 1;
	if (at > (unsigned int)p->n)
		at = p->n;
	memmove(&p->call[at + 1], &p->call[at], (p->n - at) * sizeof(*c));
	p->call[at] = *c;
	p->n++;
}

static void cut(struct prog *p, unsigned int at)
{
	p->n--;
	memmove(&p->call[at], &p->call[at + 1], (p->n - at) * sizeof(p->call[0]));
}

static void change(struct prog *p)
{
	const struct prog *other = &corpus[pick(nr_corpus)];
	struct call c;
	unsigned int i, what = pick(20);

	i = p->n ? pick(p->n) : 0;
	if (what < 9 || !p->n) {
		random_call(&c);
		insert(p, pick(3) ? pick(p->n + 1) : (unsigned int)p->n, &c);
	} else if (what < 14) {
		c = p->call[i];
		if (*c.op->args) {
			what = pick(strlen(c.op->args));
			p->call[i].arg[what] = random_word(c.op->args[what]);
		}
	} else if (what < 16) {
		cut(p, i);
	} else if (what < 17) {
		p->call[i].async = !p->call[i].async;
	} else if (what < 18) {
		c = p->call[i];	/* twice */
		insert(p, pick(p->n + 1), &c);
	} else {
		for (i = 0; i < (unsigned int)other->n && p->n < MAX_RANDOM; i++)
			p->call[p->n++] = other->call[i];
	}
}

/* What the kernel executes, and what it says */

/* A run that has it counts it once, and not what an earlier call has done before */
static void gather(void)
{
	unsigned long i, n, last = 0;

	if (!cover)
		return;
	n = __atomic_load_n(&cover[0], __ATOMIC_RELAXED);
	for (i = 1; i <= n && i < COVER; i++) {
		uint32_t edge = (cover[i] ^ last * 0x9e3779b97f4a7c15UL) *
				0xbf58476d1ce4e5b9UL >> 46;

		last = cover[i];
		if (shared->run[edge] == nr_runs)
			continue;
		shared->run[edge] = nr_runs;
		shared->edge[shared->n++] = edge;
	}
	__atomic_store_n(&cover[0], 0, __ATOMIC_RELAXED);
}

static void open_kcov(void)
{
	kcov = open(KCOV, O_RDWR | O_CLOEXEC);
	if (kcov < 0)
		return;
	if (ioctl(kcov, KCOV_INIT_TRACE, COVER))
		die("KCOV_INIT_TRACE: %s", errname(errno));
	cover = map_file(kcov, 0, COVER * sizeof(*cover), PROT_READ | PROT_WRITE,
			 MAP_SHARED);
}

/* Return: a line of the log that a healthy kernel does not print, or NULL */
static const char *complained(void)
{
	static char line[8192];
	char *text, *found = NULL;
	ssize_t n;

	for (;;) {
		n = read(kmsg, line, sizeof(line) - 1);
		if (n < 0 && errno == EPIPE)
			continue;
		if (n <= 0)
			return found;
		line[n] = 0;
		text = strchr(line, ';');
		if (!text || !has_pattern)
			continue;
		text[1 + strcspn(text + 1, "\n")] = 0;
		if (!regexec(&complaint, text + 1, 0, NULL, 0))
			return text + 1;
	}
}

/* Running a program */

static void on_alarm(int sig)
{
}

static void run_call(const struct call *c)
{
	const struct itimerval limit = { .it_value.tv_sec = CALL_SECONDS };
	static long rc;		/* which a signal leaves alone */
	char text[256];

	if (c->async) {
		if (fork())
			return;
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	}
	setitimer(ITIMER_REAL, &limit, NULL);
	/* a call may be what tells of an error in memory that is mapped */
	bus.armed = 1;
	if (sigsetjmp(bus.env, 1))
		rc = -EFAULT;
	else
		rc = c->op->fn(c);
	bus.armed = 0;
	if (showing) {
		print_call(text, sizeof(text), c);
		printf("%s: %s\n", text, errname(-rc));
		fflush(stdout);
	}
	if (c->async)
		_exit(0);
}

static void child(const struct prog *p)
{
	struct sigaction sa = { .sa_handler = on_alarm };
	int i;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (reset_devices()) {
		shared->unusable = true;
		_exit(0);
	}
	sigaction(SIGALRM, &sa, NULL);
	catch_bus();
	if (cover && ioctl(kcov, KCOV_ENABLE, KCOV_TRACE_PC))
		die("KCOV_ENABLE: %s", errname(errno));
	if (cover)
		cover[0] = 0;
	for (i = 0; i < p->n; i++) {
		run_call(&p->call[i]);
		gather();
	}
	_exit(0);
}

/* Where the processes of a group are, which cannot be killed */
static void show_stacks(pid_t group)
{
	char path[PATH_MAX], text[4096];
	glob_t g;
	size_t i;
	int fd, pid;
	ssize_t n;

	if (glob("/proc/[0-9]*", 0, NULL, &g))
		return;
	for (i = 0; i < g.gl_pathc; i++) {
		pid = atoi(g.gl_pathv[i] + strlen("/proc/"));
		if (getpgid(pid) != group)
			continue;
		snprintf(path, sizeof(path), "%s/stack", g.gl_pathv[i]);
		fd = open(path, O_RDONLY);
		n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
		text[n < 0 ? 0 : n] = 0;
		close(fd);
		say("stack", text);
	}
	globfree(&g);
	fd = open("/proc/sysrq-trigger", O_WRONLY);
	if (write(fd, "w", 1) != 1)
		say("sysrq", errname(errno));
}

/* Return: false if there are processes of the group that do not end */
static bool wait_for(pid_t pid)
{
	double end = now() + PROG_SECONDS;
	bool killed = false;

	for (;;) {
		pid_t got = waitpid(-1, NULL, WNOHANG);

		if (got < 0)
			return true;
		if (got == pid || (!killed && now() > end)) {
			kill(-pid, SIGKILL);
			killed = true;
			end = now() + DEAD_SECONDS;
		}
		if (killed && now() > end)
			return false;
		if (!got)
			usleep(500);
	}
}

/* Return: how many edges it had that were not known */
static unsigned int run(const struct prog *p)
{
	unsigned int i, fresh = 0;
	const char *line;
	pid_t pid;

	nr_runs++;
	shared->n = 0;
	tell("run", nr_runs, p);
	pid = fork();
	if (!pid) {
		setpgid(0, 0);
		child(p);
	}
	setpgid(pid, pid);
	if (!wait_for(pid)) {
		show_stacks(pid);
		say("found", "processes that cannot be killed");
		exit(1);
	}
	line = complained();
	if (line) {
		say("found", line);
		exit(1);
	}
	if (shared->unusable && is_stuck()) {
		/* no fault of the kernel: it is in use */
		say("ended", "the system does not give the memory back");
		exit(0);
	}
	if (shared->unusable) {
		say("unusable", device_state());
		exit(3);
	}
	for (i = 0; i < shared->n; i++)
		fresh += !known[shared->edge[i]];
	return fresh;
}

/* The corpus */

static void learn(const uint32_t *edge, unsigned int n)
{
	while (n--) {
		nr_known += !known[edge[n]];
		known[edge[n]] = true;
	}
}

static bool has_all(const uint32_t *edge, unsigned int n)
{
	while (n--)
		if (shared->run[edge[n]] != nr_runs)
			return false;
	return true;
}

/* The program has just run. What it does by chance only is no reason to keep it. */
static void keep(struct prog *p)
{
	static uint32_t fresh[EDGES], all[EDGES];
	unsigned int i, n = 0, nr_all = shared->n;
	struct prog shorter;

	memcpy(all, shared->edge, nr_all * sizeof(*all));
	run(p);
	for (i = 0; i < nr_all; i++)
		if (!known[all[i]] && shared->run[all[i]] == nr_runs)
			fresh[n++] = all[i];
	for (i = p->n; n && i-- && p->n > 1;) {
		shorter = *p;
		cut(&shorter, i);
		run(&shorter);
		if (has_all(fresh, n))
			*p = shorter;
	}
	learn(all, nr_all);
	if (!n || nr_corpus == MAX_CORPUS)
		return;
	corpus[nr_corpus++] = *p;
	tell("keep", n, p);
}

static void stat_line(double start)
{
	static double last;
	char text[128];

	if (now() < last + STAT_SECONDS)
		return;
	last = now();
	snprintf(text, sizeof(text), "%.0f s, %u programs run, %d kept, %u edges",
		 last - start, nr_runs, nr_corpus, nr_known);
	say("stat", text);
}

static void fuzz(double start, double seconds, bool unguided)
{
	struct prog p;
	int n;

	while (now() < start + seconds) {
		stat_line(start);
		if (unguided || !nr_corpus || !pick(5)) {
			random_prog(&p);
		} else {
			/* the later ones are those that were not tried so often */
			n = pick(nr_corpus);
			if (pick(2))
				n += pick(nr_corpus - n);
			p = corpus[n];
			for (n = 1 + pick(4); n; n--)
				change(&p);
		}
		if (!run(&p))
			continue;
		if (unguided)
			learn(shared->edge, shared->n);
		else
			keep(&p);
	}
}

/* Each of the programs that still adds something */
static void load_corpus(int argc, char **argv, double start)
{
	static struct prog p;
	char text[64];
	int i;

	for (i = 0; i < argc && nr_corpus < MAX_CORPUS; i++) {
		stat_line(start);
		parse(&p, argv[i]);
		if (!run(&p))
			continue;
		learn(shared->edge, shared->n);
		corpus[nr_corpus++] = p;
	}
	snprintf(text, sizeof(text), "%d programs, of which %d count: %u edges",
		 argc, nr_corpus, nr_known);
	say("corpus", text);
}

static void replay(int argc, char **argv, unsigned int times)
{
	static struct prog p, none;
	unsigned int t;
	int i;

	for (i = 0; i < argc; i++) {
		parse(&p, argv[i]);
		say("replay", argv[i]);
		for (t = 0; t < times; t++) {
			run(&p);
			showing = false;
			/* it may be what is left of it that does the harm */
			run(&none);
		}
	}
}

int main(int argc, char **argv)
{
	bool unguided = false, replaying = false;
	unsigned int times = 1;
	double seconds = 60, start = now();
	int o;

	state = start * 1000003;
	while ((o = getopt(argc, argv, "urt:s:o:c:n:")) != -1) {
		switch (o) {
		case 'u':
			unguided = true;
			break;
		case 'r':
			replaying = true;
			break;
		case 't':
			seconds = number(optarg);
			break;
		case 's':
			state = number(optarg) + 1;
			break;
		case 'n':
			times = number(optarg);
			break;
		case 'o':
			out = open_file(optarg, O_WRONLY);
			break;
		case 'c':
			has_pattern = !regcomp(&complaint, optarg, REG_EXTENDED | REG_NOSUB);
			if (!has_pattern)
				die("not a pattern: %s", optarg);
			break;
		default:
			return 2;
		}
	}
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	kmsg = open_file("/dev/kmsg", O_RDONLY | O_NONBLOCK);
	lseek(kmsg, 0, SEEK_END);
	open_kcov();
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	if (find_region() || shared == MAP_FAILED)
		die("there is no region of soft-reserved memory");
	showing = replaying && argc - optind == 1;
	if (replaying) {
		replay(argc - optind, argv + optind, times);
		return 0;
	}
	if (!cover && !unguided)
		die("%s: %s", KCOV, errname(errno));
	load_corpus(argc - optind, argv + optind, start);
	fuzz(start, seconds, unguided);
	return 0;
}
