/* A small header in the manner of a kernel's, made for these tests. */
typedef unsigned long	vm_flags_t;
typedef unsigned int	unrelated_t;

#define VM_READ		0x00000001
#define VM_WRITE	0x00000002

enum {
	MM_FILEPAGES,
	MM_ANONPAGES,
	MM_SWAPENTS,
	NR_MM_COUNTERS
};

struct vm_area_struct {
	unsigned long		vm_start;
	unsigned long		vm_end;
	struct mm_struct	*vm_mm;
	pgprot_t		vm_page_prot;
	vm_flags_t		vm_flags;
	unsigned long		vm_pgoff;
};

struct mm_struct {
	struct {
		struct {
			atomic_t	mm_count;
		} ____cacheline_aligned_in_smp;
		unsigned long	mmap_base;
		unsigned long	task_size;
		unsigned long	total_vm;
		unsigned long	start_code, end_code, start_data, end_data;
		unsigned long	saved_auxv[CAPS_OF_TESTS];
		unsigned long	flags;
	} __randomize_layout;
	unsigned long		cpu_bitmap[];
};
