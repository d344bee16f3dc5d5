#include <stdio.h>

int main(void)
{
    puts("nines 0.1.0");
    return 0;
}
