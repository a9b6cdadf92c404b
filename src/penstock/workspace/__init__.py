"""Files' text to a `Workspace`, with all problems at once. Pure: what there is to read comes in a `Source`.

source.py       what loading needs to know of the tree; read by `penstock.adapters.workspace_files`
text.py         bytes -> TOML or JSON documents, with limits, or a finding
tree.py         documents put in their places: root, services, packages
layers.py       which file says what about a function or an environment, weakest first; merging
resolve.py      merged documents -> the model's values, physical names decided
schema.py       the shape of both files (pydantic, strict); shape.py turns its errors into findings
checks/         what a shape cannot say: AWS's limits, names, routes, references, files
graph.py        packages, services, who reaches whom
load.py         all of it in order;   explain.py, reference.py: the same facts, told to people and editors
"""
