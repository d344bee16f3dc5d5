/*
 * failure: a broken promise (base/check.h) in a program of the lab says where before it aborts.
 */
#pragma once

void failure_print(void);
