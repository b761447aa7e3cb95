"""What ``streamer doctor`` finds: small pure judges over facts that were read before."""
