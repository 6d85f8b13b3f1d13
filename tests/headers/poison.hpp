// Names that <windows.h>, Qt and older C headers define as macros. A header of rondo that says one of them fails here.
#define min(a, b) rondo_poison a b
#define max(a, b) rondo_poison a b
#define yield() rondo_poison +
#define small rondo_poison +
#define near rondo_poison +
#define far rondo_poison +
#define interface rondo_poison +
#define ERROR rondo_poison +
#define NO_ERROR rondo_poison +
#define IN rondo_poison +
#define OUT rondo_poison +
#define OPTIONAL rondo_poison +
#define DELETE rondo_poison +
#define emit rondo_poison +
#define slots rondo_poison +
#define signals rondo_poison +
#define foreach rondo_poison +
#define check(x) rondo_poison x
#define verify(x) rondo_poison x
