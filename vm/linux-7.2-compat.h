/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Names that the test modules need from Linux 7.2, where ->create() of an inode has
 * one argument more: build them with KCFLAGS="-include <this file>".
 */
#define dt_create(idmap, dir, dentry, mode) \
	dt_create(idmap, dir, dentry, mode, bool excl)
