// libsentencepiece is C++: this module only carries its flags to CSentencePiece, which has a C header.
