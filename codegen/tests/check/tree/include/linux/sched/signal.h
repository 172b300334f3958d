/* A small header in the manner of a kernel's, made for these tests. */
typedef int
				pid_t;

struct signal_struct {
	int			nr_threads;
	int			group_exit_code;
	int			group_stop_count;
	unsigned int
				flags;
	int			leader;
};
