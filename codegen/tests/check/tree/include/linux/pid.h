/* A small header in the manner of a kernel's, made for these tests. */
enum pid_type
{
	PIDTYPE_PID,
	PIDTYPE_TGID,
	PIDTYPE_MAX,
};

struct upid {
	int			nr;
	struct pid_namespace	*ns;
};

struct pid
{
	refcount_t		count;
	unsigned int		level;
	spinlock_t		lock;
	struct hlist_head	tasks[PIDTYPE_MAX];
	struct upid		numbers[1];
};
