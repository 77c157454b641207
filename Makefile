# SPDX-License-Identifier: ISC
# Warren.  GNU make or bmake; "make help" lists the targets.

B = build
VERSION = 0.1.0

all:
	@sh ./configure $(B)
	@$(MAKE) -f build.mk B=$(B) programs

unit:
	@sh ./configure $(B)
	@$(MAKE) -f build.mk B=$(B) unit
	@sh tests/unit.sh $(B)

clean:
	rm -rf build build-*
