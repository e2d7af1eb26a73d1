sockerless_fuzz(oci_layer_tar oci_layer_tar.cpp LINK sockerless_oci)
sockerless_fuzz(oci_archive oci_archive.cpp LINK sockerless_oci)
