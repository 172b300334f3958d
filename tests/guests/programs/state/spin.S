/* Fills all registers from the struct image that the argument points at, spins until registers_go
 * is not zero, and writes them to registers_out[which]. Offsets are those of registers.c.
 */
	.macro spin name, move, register, size, which, numbers:vararg
	.globl	\name
\name:
	push	%rbx
	push	%rbp
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	.irp	n, \numbers
	\move	320+\size*\n(%rdi), %\register\n
	.endr
	.if	\size == 64
	.irp	n, 0, 1, 2, 3, 4, 5, 6, 7
	kmovq	200+8*\n(%rdi), %k\n
	.endr
	.endif
	ldmxcsr	192(%rdi)
	fninit
	fldcw	196(%rdi)
	.irp	n, 7, 6, 5, 4, 3, 2, 1, 0
	fldl	128+8*\n(%rdi)
	.endr
	pushq	120(%rdi)
	popfq
	mov	0(%rdi), %rax
	mov	8(%rdi), %rbx
	mov	16(%rdi), %rcx
	mov	24(%rdi), %rdx
	mov	32(%rdi), %rsi
	mov	48(%rdi), %rbp
	.irp	n, 8, 9, 10, 11, 12, 13, 14, 15
	mov	8*(\n-1)(%rdi), %r\n
	.endr
	mov	40(%rdi), %rdi
1:	pause
	cmpl	$0, registers_go(%rip)
	je	1b
	.set	out, registers_out+(320+32*64)*\which
	mov	%rax, out+0(%rip)
	mov	%rbx, out+8(%rip)
	mov	%rcx, out+16(%rip)
	mov	%rdx, out+24(%rip)
	mov	%rsi, out+32(%rip)
	mov	%rdi, out+40(%rip)
	mov	%rbp, out+48(%rip)
	.irp	n, 8, 9, 10, 11, 12, 13, 14, 15
	mov	%r\n, out+8*(\n-1)(%rip)
	.endr
	pushfq
	popq	out+120(%rip)
	cld
	.irp	n, 0, 1, 2, 3, 4, 5, 6, 7
	fstpl	out+128+8*\n(%rip)
	.endr
	stmxcsr	out+192(%rip)
	fnstcw	out+196(%rip)
	.irp	n, \numbers
	\move	%\register\n, out+320+\size*\n(%rip)
	.endr
	.if	\size == 64
	.irp	n, 0, 1, 2, 3, 4, 5, 6, 7
	kmovq	%k\n, out+200+8*\n(%rip)
	.endr
	.endif
	.if	\size > 16
	vzeroupper
	.endif
	/* As a function leaves the FPU: the C library counts on it. */
	fninit
	ldmxcsr	usual(%rip)
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbp
	pop	%rbx
	ret
	.endm

	.text
	spin	registers_sse, movdqu, xmm, 16, 0, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
	spin	registers_avx, vmovdqu, ymm, 32, 1, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
	spin	registers_avx512, vmovdqu64, zmm, 64, 2, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31

	.section .rodata
usual:	.long	0x1f80
	.section .note.GNU-stack, "", @progbits
