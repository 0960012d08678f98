"""Lists what the program is made of, as CycloneDX 1.6, for scanners that know which crates have which fault.

    packaging/sbom.py TARGET VERSION > plimsoll.cdx.json

Crates of the workspace are part of the program: by their names scanners would take them for crates of others.
"""

import json
import os
import sys
import time
import tomllib
import uuid

from crates import ROOT, Crates


def purl(package):
    """The package's name for scanners."""
    return f"pkg:cargo/{package['name']}@{package['version']}"


def checksums():
    """What Cargo checks each crate by."""
    locked = tomllib.loads((ROOT / "Cargo.lock").read_text())["package"]
    return {(package["name"], package["version"]): package.get("checksum") for package in locked}


def component(package, checksum):
    """One crate."""
    made = {
        "type": "library",
        "bom-ref": purl(package),
        "name": package["name"],
        "version": package["version"],
        "purl": purl(package),
        "scope": "required",
    }
    if package["license"]:
        # How crates wrote `OR` before SPDX.
        made["licenses"] = [{"expression": package["license"].replace("/", " OR ")}]
    if checksum:
        made["hashes"] = [{"alg": "SHA-256", "content": checksum}]
    if package["repository"]:
        made["externalReferences"] = [{"type": "vcs", "url": package["repository"]}]
    return made


def bill(crates, target, version, epoch):
    """The whole list. Of the same sources it is the same."""
    program = crates.packages[crates.program]
    ref = f"pkg:generic/plimsoll@{version}"
    sums = checksums()
    linked = crates.linked()
    whole = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(epoch)),
            "component": {
                "type": "application",
                "bom-ref": ref,
                "name": "plimsoll",
                "version": version,
                "purl": ref,
                "licenses": [{"expression": program["license"]}],
            },
            "properties": [{"name": "plimsoll:target", "value": target}],
        },
        "components": [component(package, sums.get((package["name"], package["version"]))) for package in linked],
        "dependencies": [{"ref": ref, "dependsOn": [purl(package) for package in crates.direct(program)]}]
        + [{"ref": purl(package), "dependsOn": [purl(link) for link in crates.direct(package)]} for package in linked],
    }
    text = json.dumps(whole)
    return {"serialNumber": uuid.uuid5(uuid.NAMESPACE_OID, text).urn} | whole


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    made = bill(Crates.of(sys.argv[1]), sys.argv[1], sys.argv[2], int(os.environ.get("SOURCE_DATE_EPOCH", time.time())))
    json.dump(made, sys.stdout, indent=1)
    print()
