/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* The whole of what BCC asks of a kernel tree, so that no kernel headers need to be installed. */
#define CONFIG_BPF_SYSCALL 1
#define CONFIG_ARCH_HAS_SYSCALL_WRAPPER 1
