//! exec, attach and port-forward streams: WebSocket, SPDY/3.1
