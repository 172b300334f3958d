/* A small file in the manner of a kernel's, made for these tests. */
static int unrelated_function(struct task_struct *p)
{
	p->prio = 1;
	return 0;
}

static struct task_struct *copy_process(struct pid *pid, int trace)
{
	struct task_struct *p;

	p = dup_task_struct(current);
	p->flags &= ~PF_IDLE;
	p->exit_state = 0;
	p->utime = p->stime = 0;
	if (trace) {
		p->ptrace = 1;
	}
	return p;
}
