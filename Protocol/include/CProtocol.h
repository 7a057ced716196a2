// Every wire format of the project: what rpcgen makes of the .x files, and what Swift needs beside that.
#ifndef TLSD_CPROTOCOL_H
#define TLSD_CPROTOCOL_H

#include "mount3.h"
#include "nfs3.h"
#include "tlscd.h"
#include "tlshandshake.h"
#include "tlssd.h"
#include "xdr_shims.h"
#include "xfer.h"

#endif
