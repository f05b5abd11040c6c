// Lines typed on a terminal, edited by libedit where that is here: it is looked for when the program runs (dlopen), and is
// no dependency. One editor a process.
#ifndef BELLE_LINE_EDITOR_H
#define BELLE_LINE_EDITOR_H

#include <stdint.h>

/// What came of reading a line.
enum belle_line { BELLE_LINE_TEXT, BELLE_LINE_INTERRUPTED, BELLE_LINE_END };

/// Begins to edit what is typed on standard input.
///
/// `output`: the terminal that shows it. `prompt`: what stands before each line; it must live as long as the process.
/// Answers 0, or ENOTSUP where there is no libedit, or where the locale says another encoding than UTF-8.
int belle_line_editor_open(int output, const char *prompt);

/// Adds a line of before to those that the arrows bring back.
void belle_line_editor_remember(const char *line);

/// Reads a line. `*text` is then its bytes, `*length` of them, without the line end, until the next call.
enum belle_line belle_line_editor_read(const char **text, int *length);

/// Gives the terminal its settings back, where a line is being edited: before the process ends from another thread.
void belle_line_editor_restore_terminal(void);

#endif
