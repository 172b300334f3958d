/* A small header in the manner of a kernel's, made for these tests. */
#ifndef _LINUX_SCHED_H
#define _LINUX_SCHED_H

#include <linux/types.h>
#include <linux/limits_of_tests.h>

/* Bits of flags: */
#define PF_VCPU		0x00000001
#define PF_IDLE		0x00000002
#define PF_EXITING	0x00000004
#define PF_KTHREAD	(1 << 21)

#define TASK_RUNNING	0x00000000
#define TASK_DEAD	0x00000080

#define UNWATCHED_LIMIT	100

enum {
	TASK_COMM_LEN = 16,
};

enum uclamp_id {
	UCLAMP_MIN = 0,
	UCLAMP_MAX,
	UCLAMP_CNT
};

struct unrelated {
	int			one;
	int			two;
};

struct sched_info {
	/* times on a CPU */
	unsigned long		pcount;
	unsigned long long	run_delay;
	unsigned long long	last_arrival;
};

struct sysv_sem {
	struct sem_undo_list	*undo_list;
};

struct task_struct {
	unsigned int		__state;
	unsigned int		saved_state;
	randomized_struct_fields_start

	void			*stack;
	refcount_t		usage;
	unsigned int		flags;
	unsigned int		ptrace;
	int			prio;
	int			static_prio;
	int			normal_prio;
	unsigned int		rt_priority;
	struct sched_info	sched_info;

	/* In and out of memory: */
	struct mm_struct	*mm;
	struct mm_struct	*active_mm;
	int			exit_state;
	int			exit_code;
	unsigned int		personality;

	unsigned		sched_reset_on_fork:1;
	unsigned		sched_contributes_to_load:1;
	unsigned		in_execve:1;
#ifdef CONFIG_MEMCG
	unsigned		in_user_fault:1;
#endif
	unsigned long		atomic_flags;	/* changed with atomic operations */
	pid_t			pid;
	pid_t			tgid;
	u64			utime;
	u64			stime;
	/* switches between tasks */
	unsigned long		nvcsw;
	unsigned long		nivcsw;
	u64			start_time;	/* monotonic, in ns */
	char			comm[TASK_COMM_LEN];
	struct sysv_sem		sysvsem;
	sigset_t		blocked;
	size_t			sas_ss_size;
#ifdef CONFIG_KCOV
	unsigned int		kcov_mode;
	unsigned int		kcov_size;
#endif
	union {
		refcount_t	rcu_users;
		struct rcu_head	rcu;
	};
	u64			timer_slack_ns;
	u64			default_timer_slack_ns;
	randomized_struct_fields_end
	struct thread_struct	thread;
};

#endif
