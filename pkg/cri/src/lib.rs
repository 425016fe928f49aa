//! Container runtime: CRI v1, containerd events, images, adoption
