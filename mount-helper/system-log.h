#pragma once

/*
 * One line to the system's log, of the facility daemon, as an error. By a child, for a log that takes
 * nothing more lets its writers wait; it gives up by itself. Control characters are shown as '?'.
 */
void system_log(const char *line);
