//! CAs, certificates, tokens, kubeconfigs
