/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
#ifndef QTAP_PTRACE_H
#define QTAP_PTRACE_H
/* x86-64, as the kernel saves it at a system call or a trap. */
struct pt_regs {
    unsigned long r15, r14, r13, r12, bp, bx, r11, r10, r9, r8, ax, cx, dx, si, di, orig_ax, ip, cs, flags, sp, ss;
};
#endif
