// libedit through its C interface, by dlopen. Source: NetBSD's editline, histedit.h (names, numbers) and editline(3).
// Nothing of its header is used, so that the package builds without it.
#define _GNU_SOURCE
#include "line_editor.h"

#include <dlfcn.h>
#include <errno.h>
#include <langinfo.h>
#include <locale.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

enum { PROMPT = 0, EDITOR = 2, BIND = 4, SETTY = 8, ADD_FUNCTION = 9, HISTORY = 10 };
enum { SET_SIZE = 1, ENTER = 10, SET_UNIQUE = 20 };
enum { NEW_LINE = 1 };
enum { KEPT_LINES = 1000 };

/// `HistEvent`.
typedef struct {
  int number;
  const char *text;
} event;

static struct {
  void *(*el_init)(const char *program, FILE *in, FILE *out, FILE *errors);
  int (*el_set)(void *editor, int operation, ...);
  const char *(*el_gets)(void *editor, int *count);
  void (*el_resize)(void *editor);
  void *(*history_init)(void);
  int (*history)(void *history, event *result, int operation, ...);
} library;

static void *editor, *lines;
static const char *shown_prompt = "";
static int is_interrupted;

static struct termios settings;
static atomic_int is_editing;

static pthread_t typist;

/// The window has another size. libedit's own handlers would pass every signal on to all processes of the group.
static void take_size(int number) {
  const int before = errno;
  if (atomic_load(&is_editing)) {
    if (pthread_equal(pthread_self(), typist)) {
      library.el_resize(editor);
    } else {
      (void)pthread_kill(typist, number);
    }
  }
  errno = before;
}

static char *prompt_of(void *ignored) {
  (void)ignored;
  return (char *)(uintptr_t)shown_prompt;
}

static unsigned char interrupt(void *ignored, int character) {
  (void)ignored, (void)character;
  is_interrupted = 1;
  return NEW_LINE;
}

/// Whether characters of several bytes are understood. The locale is the user's, or UTF-8 where he has none.
static int take_utf8(void) {
  const char *name = setlocale(LC_CTYPE, "");
  if (name != NULL && strcmp(name, "C") != 0 && strcmp(name, "POSIX") != 0) {
    return strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
  }
  return setlocale(LC_CTYPE, "C.UTF-8") != NULL || setlocale(LC_CTYPE, "en_US.UTF-8") != NULL;
}

static int load(void) {
  static const char *const names[] = {"libedit.so.2", "libedit.so.0", "libedit.so", "libedit.3.dylib", "libedit.dylib"};
  void *file = NULL;
  for (size_t i = 0; i < sizeof names / sizeof *names && file == NULL; i++) file = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
  if (file == NULL) return ENOTSUP;
  const struct {
    const char *name;
    void *place;
  } functions[] = {{"el_init", &library.el_init},
                   {"el_set", &library.el_set},
                   {"el_gets", &library.el_gets},
                   {"el_resize", &library.el_resize},
                   {"history_init", &library.history_init},
                   {"history", &library.history}};
  for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
    void *function = dlsym(file, functions[i].name);
    if (function == NULL) return ENOTSUP;
    memcpy(functions[i].place, &function, sizeof function);
  }
  return 0;
}

/// Keys that terminals send and that libedit does not know by itself.
static void bind_keys(void) {
  static const char *const keys[][2] = {
      {"\033[3~", "ed-delete-next-char"}, {"\033[H", "ed-move-to-beg"},   {"\033OH", "ed-move-to-beg"},
      {"\033[1~", "ed-move-to-beg"},      {"\033[F", "ed-move-to-end"},   {"\033OF", "ed-move-to-end"},
      {"\033[4~", "ed-move-to-end"},      {"\033[1;5C", "em-next-word"},  {"\033[1;5D", "ed-prev-word"},
      {"\022", "em-inc-search-prev"},     {"\027", "ed-delete-prev-word"}};
  for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
    (void)library.el_set(editor, BIND, keys[i][0], keys[i][1], (char *)NULL);
  }
  // While a line is edited Ctrl-C is a key: it ends the line, from its end, so that what follows stands below it.
  (void)library.el_set(editor, SETTY, "-d", "-isig", (char *)NULL);
  (void)library.el_set(editor, ADD_FUNCTION, "belle-interrupt", "Leave the line", interrupt);
  (void)library.el_set(editor, BIND, "\034", "belle-interrupt", (char *)NULL);
  (void)library.el_set(editor, BIND, "-s", "\003", "\005\034", (char *)NULL);
}

int belle_line_editor_open(int output, const char *prompt) {
  if (editor != NULL) return EBUSY;
  if (tcgetattr(STDIN_FILENO, &settings) != 0 || !take_utf8()) return ENOTSUP;
  const int failure = load();
  if (failure != 0) return failure;
  FILE *stream = output == STDERR_FILENO ? stderr : stdout;
  lines = library.history_init();
  editor = lines == NULL ? NULL : library.el_init("belle-tools", stdin, stream, stderr);
  if (editor == NULL) return ENOTSUP;
  shown_prompt = prompt;
  event result;
  (void)library.history(lines, &result, SET_SIZE, KEPT_LINES);
  (void)library.history(lines, &result, SET_UNIQUE, 1);
  (void)library.el_set(editor, PROMPT, prompt_of);
  (void)library.el_set(editor, EDITOR, "emacs");
  struct sigaction action = {.sa_handler = take_size, .sa_flags = SA_RESTART};
  sigemptyset(&action.sa_mask);
  (void)sigaction(SIGWINCH, &action, NULL);
  (void)library.el_set(editor, HISTORY, library.history, lines);
  bind_keys();
  return 0;
}

void belle_line_editor_remember(const char *line) {
  event result;
  if (lines != NULL) (void)library.history(lines, &result, ENTER, line);
}

enum belle_line belle_line_editor_read(const char **text, int *length) {
  *text = "";
  *length = 0;
  if (editor == NULL) return BELLE_LINE_END;
  is_interrupted = 0;
  // It may have changed while nobody typed.
  library.el_resize(editor);
  typist = pthread_self();
  atomic_store(&is_editing, 1);
  int count = 0;
  const char *line = library.el_gets(editor, &count);
  atomic_store(&is_editing, 0);
  if (is_interrupted) return BELLE_LINE_INTERRUPTED;
  if (line == NULL || count <= 0) return BELLE_LINE_END;
  // It counts characters, and the line has bytes.
  size_t size = strlen(line);
  while (size > 0 && (line[size - 1] == '\n' || line[size - 1] == '\r')) size--;
  *text = line;
  *length = (int)size;
  return BELLE_LINE_TEXT;
}

void belle_line_editor_restore_terminal(void) {
  if (atomic_load(&is_editing)) (void)tcsetattr(STDIN_FILENO, TCSANOW, &settings);
}
