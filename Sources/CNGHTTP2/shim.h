// HTTP/2 framing and header compression (https://nghttp2.org), as the system's library brings it.
#include <nghttp2/nghttp2.h>
