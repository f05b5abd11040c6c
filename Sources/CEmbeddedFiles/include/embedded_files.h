// Files of this repository that the program carries in itself.
#ifndef BELLE_EMBEDDED_FILES_H
#define BELLE_EMBEDDED_FILES_H

// A file: its path below its folder, and its text with a zero behind it.
typedef struct {
  const char *path;
  const unsigned char *text;
} belle_embedded_file;

// Tables whose last row has no path.
const belle_embedded_file *belle_embedded_checksums(void);
const belle_embedded_file *belle_embedded_calibration(void);
const belle_embedded_file *belle_embedded_held_out(void);

// The commit that the program was built from; NULL where whoever built it did not say.
const char *belle_commit(void);

#endif
