"""One file a way of storing a layer; see `workbench.shelf`.

Every encoding's `fields` hold the whole weight's `shape`, so that a file's shapes can be compared with the network's
before anything is unpacked.
"""
