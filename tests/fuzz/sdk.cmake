sockerless_fuzz(sdk_config_file sdk_config_file.cpp LINK sockerless_sdk)
sockerless_fuzz(sdk_address sdk_address.cpp LINK sockerless_sdk)
