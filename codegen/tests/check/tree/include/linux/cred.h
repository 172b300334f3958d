/* A small header in the manner of a kernel's, made for these tests. */
struct group_info {
	int			ngroups;
};
