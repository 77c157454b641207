/* SPDX-License-Identifier: ISC */
/*
 * The version of the whole suite.
 */
#ifndef WARREN_VERSION_H
#define WARREN_VERSION_H

#define WARREN_VERSION "0.1.0"

#endif
